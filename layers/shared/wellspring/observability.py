"""The one logger. JSON lines; no payload, token, SQL, name or pk ever goes into one."""

from traceback import extract_tb

from aws_lambda_powertools import Logger

# Service name and level come from POWERTOOLS_SERVICE_NAME and LOG_LEVEL (docs/settings.md).
logger = Logger(utc=True, use_rfc3339=True)

FRAMES = 8


def describe(error: BaseException) -> dict[str, object]:
    """Return what may be logged of an unexpected exception: its type and where it was raised.

    Its message stays out: database and validation errors put SQL, parameters and input into theirs.
    """
    frames = extract_tb(error.__traceback__)[-FRAMES:]
    return {
        "exception": type(error).__qualname__,
        "raised_at": [f"{frame.filename.rpartition('/')[2]}:{frame.lineno} {frame.name}" for frame in frames],
    }
