"""The operations, in terms of rows and rules; no HTTP, no SQL."""
