"""行政区划 regions: the divisions of GB/T 2260."""
