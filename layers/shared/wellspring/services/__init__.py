"""What the operations do, in terms of rows and rules; no HTTP, no SQL."""
