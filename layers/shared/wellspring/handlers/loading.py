"""From S3's notification of a file to turns at loading it."""

import json
from collections.abc import Mapping
from functools import cache
from typing import Any

from wellspring import feed_events
from wellspring.errors import WellspringError
from wellspring.files import Bucket, named_in
from wellspring.handlers.deadline import deadline_of
from wellspring.handlers.feed import LambdaHandler
from wellspring.observability import describe, logger
from wellspring.services.feed.loading import load


@cache
def _bucket() -> Bucket:
    return Bucket()


def file_loader() -> LambdaHandler:
    """Return the Lambda handler of the queue of files.

    A notification goes back when its file needs another turn, or when the database or S3 did not let it have one.
    """

    def handler(event: Mapping[str, Any], context: object) -> dict[str, list[dict[str, str]]]:
        logger.append_keys(request_id=str(getattr(context, "aws_request_id", "")))
        failed = [
            {"itemIdentifier": record["messageId"]} for record in event["Records"] if not _is_done(record, context)
        ]
        return {"batchItemFailures": failed}

    return handler


def _is_done(record: Mapping[str, Any], context: object) -> bool:
    try:
        files = named_in(json.loads(record["body"]))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        logger.error("what came is no notification of S3, and is dropped", extra=describe(error))
        return True
    try:
        turns = [load(_bucket(), file, feed_events.parse_line, deadline_of(context)) for file in files]
    except WellspringError as error:
        logger.warning("loading goes on later", extra={"code": error.code} | error.evidence)
        return False
    except Exception as error:  # noqa: BLE001  (the edge: whatever it is, no file may be lost)
        logger.error("unexpected exception, file returned", extra=describe(error))
        return False
    return all(turn.is_done for turn in turns)
