"""检索与常用查询 searches: the one search box, and questions kept under a name."""
