"""The one logger. JSON lines; no payload, token, SQL, name or pk ever goes into one."""

import hmac
import json
import logging
import os
from functools import lru_cache
from traceback import extract_tb

from aws_lambda_powertools import Logger

# The service name comes from POWERTOOLS_SERVICE_NAME (docs/settings.md).
# The encoder is the one that Powertools makes, which makes it anew for each line.
logger = Logger(
    utc=True,
    use_rfc3339=True,
    json_serializer=json.JSONEncoder(default=str, separators=(",", ":"), ensure_ascii=False).encode,
)
# What no line says is not looked up ("Logging HOWTO", "Optimization").
logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False
# Powertools obeys Lambda's own level (AWS_LAMBDA_LOG_LEVEL) before LOG_LEVEL. On AWS that is INFO or DEBUG, so that
# metrics, which have no level, get through (template.yaml).
logging.getLogger(logger.name).setLevel(os.environ.get("LOG_LEVEL") or "INFO")

FRAMES = 8
# 96 bits: no two callers of a deployment share it.
HASH_DIGITS = 24
CALLERS_KEPT = 128


def fingerprint(name: str) -> str:
    """Return what the log calls somebody: the same for the same name, and nothing that the name can be read from.

    It is a hash with the key CALLER_HASH_KEY, which each deployment has of its own (docs/settings.md): one who knows
    a name and the key finds the name's lines.
    """
    return _hash(os.environ.get("CALLER_HASH_KEY", ""), name)


@lru_cache(maxsize=CALLERS_KEPT)
def _hash(key: str, name: str) -> str:
    return hmac.digest(key.encode(), name.encode(), "sha256").hex()[:HASH_DIGITS]


def describe(error: BaseException) -> dict[str, object]:
    """Return what may be logged of an unexpected exception: its type and where it was raised.

    Its message stays out: database and validation errors put SQL, parameters and input into theirs.
    """
    frames = extract_tb(error.__traceback__)[-FRAMES:]
    return {
        "exception": type(error).__qualname__,
        "raised_at": [f"{frame.filename.rpartition('/')[2]}:{frame.lineno} {frame.name}" for frame in frames],
    }
