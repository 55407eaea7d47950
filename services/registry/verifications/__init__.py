"""定期复核 verifications: is a shop still there, still this subject's, still ours; weeding."""
