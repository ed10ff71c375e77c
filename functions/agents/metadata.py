"""`GET /.well-known/oauth-protected-resource/mcp`: where tokens for agents come from."""

from wellspring.handlers.agents import metadata

handler = metadata()
