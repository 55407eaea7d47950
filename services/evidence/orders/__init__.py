"""Orders: what is to be captured, written to the log before anything is captured."""
