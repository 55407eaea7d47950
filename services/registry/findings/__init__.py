"""发现 findings: what the registry noticed by itself and an officer should look at."""
