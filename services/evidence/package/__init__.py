"""The WACZ package: a fixed byte layout over the stored objects."""
