"""The development custodian: witness of the log and keeper of a copy of every package."""
