"""A function's environment: import the handler, answer one request and say so; answer the others and say so."""

import importlib
import json
import sys

argument = json.loads(sys.argv[1])
handler = importlib.import_module(argument["module"]).handler
answer = handler(argument["event"], None)
assert answer["statusCode"] == 200, answer["body"]
print("answered", flush=True)
for _ in range(argument["requests"] - 1):
    handler(argument["event"], None)
print("warm", flush=True)
sys.stdin.read()
