"""Handler of S3's notifications: a file of events is loaded in turns, each of one invocation."""

import json
from functools import cache

from wellspring import feed_events
from wellspring.database.retry import Deadline
from wellspring.errors import WellspringError
from wellspring.files import Bucket, named_in
from wellspring.handlers import queue
from wellspring.observability import describe, logger
from wellspring.services.feed.loading import load


@cache
def _bucket() -> Bucket:
    return Bucket()


def file_loader() -> queue.LambdaHandler:
    """Return the Lambda handler of the queue of files.

    A notification goes back when its file needs another turn, or when the database or S3 did not let it have one.
    """
    return queue.consumer(lambda deliveries, deadline: [_is_done(each.body, deadline) for each in deliveries])


def _is_done(body: str, deadline: Deadline) -> bool:
    try:
        files = named_in(json.loads(body))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        logger.error("what came is no notification of S3, and is dropped", extra=describe(error))
        return True
    try:
        turns = [load(_bucket(), file, feed_events.parse_line, deadline) for file in files]
    except WellspringError as error:
        logger.warning("loading goes on later", extra={"code": error.code} | error.evidence)
        return False
    except Exception as error:  # noqa: BLE001  (the edge: whatever it is, no file may be lost)
        logger.error("unexpected exception, file returned", extra=describe(error))
        return False
    return all(turn.is_done for turn in turns)
