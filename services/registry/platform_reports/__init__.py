"""平台报送 platform reports: the operators a platform reports each half-year, with receipts."""
