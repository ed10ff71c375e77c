"""The platform's feed: its statements, what waits, what each source has told."""

# Asks for no caller: it works for the platform's feed, which writes the parents of all tenants.
