"""The edges: a Lambda event comes in, one operation runs in one transaction, an answer goes out."""
