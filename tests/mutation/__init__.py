"""What `mutmut run` runs beside the unit tests; not part of the ordinary test run."""
