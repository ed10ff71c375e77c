"""The platform's feed: its statements, what waits, what each source has told."""
