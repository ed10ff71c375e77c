"""The token that stands for a password, as the product signs it: what a cold start on AWS has besides."""

import os
import sys

import wellspring.database.engine  # noqa: F401  (what a function has imported by then)
from wellspring.database.token import token

assert "X-Amz-Signature=" in token(os.environ, "proxy.invalid", 5432, "wellspring_reader", "eu-west-1")
print("answered", flush=True)
print("warm", flush=True)
sys.stdin.read()
