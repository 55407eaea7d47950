"""The evidence service: keeps what was captured so that anyone can check it without us."""
