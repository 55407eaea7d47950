"""Auditing the evidence: does everything that is kept still say the same?"""
