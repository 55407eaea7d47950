"""The services of Wangjian: registry, crawler, evidence, casework, and what they stand on (common)."""
