"""Answers from sums and from several rows (contract, section 7; docs/adr/0025)."""
