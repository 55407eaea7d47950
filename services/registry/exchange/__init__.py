"""跨区比对 link exchange: two regions compare keyed hashes; plain values only on an authorised request."""
