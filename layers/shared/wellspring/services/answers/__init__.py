"""Answers beside the ledger's rows (contract, section 7), each for what the caller sees."""
