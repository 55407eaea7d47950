"""许可 permits: what a subject may do only with leave."""
