"""换钥 rekey: new keys for the personal values that are there."""
