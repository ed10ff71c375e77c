"""The one logger. JSON lines; no payload, token, SQL, name or pk ever goes into one."""

import hmac
import logging
import os
from traceback import extract_tb

from aws_lambda_powertools import Logger

# The service name comes from POWERTOOLS_SERVICE_NAME (docs/settings.md).
logger = Logger(utc=True, use_rfc3339=True)
# Powertools obeys Lambda's own level (AWS_LAMBDA_LOG_LEVEL) before LOG_LEVEL. On AWS that is INFO or DEBUG, so that
# metrics, which have no level, get through (template.yaml).
logging.getLogger(logger.name).setLevel(os.environ.get("LOG_LEVEL") or "INFO")

FRAMES = 8
# 96 bits: no two callers of a deployment share it.
HASH_DIGITS = 24


def fingerprint(name: str) -> str:
    """Return what the log calls somebody: the same for the same name, and nothing that the name can be read from.

    It is a hash with the key CALLER_HASH_KEY, which each deployment has of its own (docs/settings.md): one who knows
    a name and the key finds the name's lines.
    """
    return hmac.digest(os.environ.get("CALLER_HASH_KEY", "").encode(), name.encode(), "sha256").hex()[:HASH_DIGITS]


def describe(error: BaseException) -> dict[str, object]:
    """Return what may be logged of an unexpected exception: its type and where it was raised.

    Its message stays out: database and validation errors put SQL, parameters and input into theirs.
    """
    frames = extract_tb(error.__traceback__)[-FRAMES:]
    return {
        "exception": type(error).__qualname__,
        "raised_at": [f"{frame.filename.rpartition('/')[2]}:{frame.lineno} {frame.name}" for frame in frames],
    }
