"""Wellspring: the ledger of connections, as a layer shared by all functions."""
