"""The ledger's answers for agents: a Model Context Protocol server (contract, section 11; docs/adr/0054)."""
