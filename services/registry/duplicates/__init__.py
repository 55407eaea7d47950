"""查重 duplicates: records of one subject or one shop that stand twice, merged and unmerged."""
