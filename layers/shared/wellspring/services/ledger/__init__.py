"""Reading and writing the ledger's rows over HTTP (contract, sections 3 and 4)."""
