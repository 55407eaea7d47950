"""PostgreSQL and Redis as child processes of our own, all state under one folder."""
