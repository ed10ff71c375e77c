"""`POST /mcp`: the ledger's answers, for agents."""

from wellspring.handlers.agents import mcp

handler = mcp()
