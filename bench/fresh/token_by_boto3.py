"""The same token, signed by boto3 in a process that has imported the same."""

import sys

import boto3

import wellspring.database.engine  # noqa: F401  (what a function has imported by then)

rds = boto3.client("rds", region_name="eu-west-1")
signed = rds.generate_db_auth_token(DBHostname="proxy.invalid", Port=5432, DBUsername="wellspring_reader")
assert "X-Amz-Signature=" in signed
print("answered", flush=True)
print("warm", flush=True)
sys.stdin.read()
