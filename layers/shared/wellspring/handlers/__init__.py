"""The edges: a Lambda event comes in, one operation runs in one transaction, an answer goes out."""

import os

from wellspring.database.snapshot import register

# Here, because every function comes by.
register(os.environ)
