"""From a custom resource's event, as CloudFormation sends it, to one piece of work, and from its outcome to an answer.

CloudFormation waits for the answer at a signed URL of S3 and takes nothing else for one: not what the handler returns,
not that it fails. Source: AWS CloudFormation User Guide, "Custom resource request types" and "response objects".
"""

import json
import urllib.request
from collections.abc import Callable, Mapping
from http.client import HTTPException
from typing import Any
from urllib.error import HTTPError

from wellspring.database.sqlstate import constraint, sqlstate
from wellspring.observability import describe, logger
from wellspring.services.migration import bring_up_to_date, do_chore

type Event = Mapping[str, Any]
type Outcome = Mapping[str, object]
type LambdaHandler = Callable[[Event, object], Outcome | None]

ANSWER_SECONDS = 10
TRIES = 3


def schema_migration() -> LambdaHandler:
    """Return the handler of the custom resource that stands for the migrated schema.

    Creating and updating it migrate; deleting it does nothing, because the data outlive the stack. Its attribute
    `Revision` is the revision that the database is at.

    Somebody who calls it by hand, with a `RequestType` and nothing else, waits for no answer at a URL: the outcome is
    returned instead, with the same `Status` and `Data` or `Reason`. So is that of a chore of the owner's, which an
    event of `{"Chore": NAME}` asks for, with its arguments beside it (migrations/chores.py).

    Raises `OSError` when the answer cannot be delivered; CloudFormation then gives up by itself.
    """

    def handler(event: Event, context: object) -> Outcome | None:
        logger.append_keys(request_id=str(getattr(context, "aws_request_id", "")))
        outcome: dict[str, object]
        try:
            outcome = {"Status": "SUCCESS", "Data": _work(event)}
        # A migration that waits for another too long leaves by SystemExit, and CloudFormation must know of that too.
        except (Exception, SystemExit) as error:  # noqa: BLE001  (the edge: whatever it is, CloudFormation waits)
            fields = describe(error) | {"sqlstate": sqlstate(error), "constraint": constraint(error)}
            logger.error("migration failed", extra=fields)
            stream = getattr(context, "log_stream_name", "")
            outcome = {"Status": "FAILED", "Reason": f"The migration failed; log stream {stream} says where."}
        if "ResponseURL" not in event:
            return outcome
        _answer(event, outcome)
        return None

    return handler


def _work(event: Event) -> dict[str, object]:
    if "Chore" in event:
        done = do_chore(event["Chore"], event)
        logger.info("chore done", extra={"chore": event["Chore"]})
        return done
    data: dict[str, object] = {} if event["RequestType"] == "Delete" else {"Revision": bring_up_to_date()}
    logger.info("migrated", extra={"request": event["RequestType"]} | data)
    return data


def _answer(event: Event, outcome: Outcome) -> None:
    known = {name: event[name] for name in ("StackId", "RequestId", "LogicalResourceId")}
    # The same for ever: another would make CloudFormation delete the resource that it stands for.
    physical = event.get("PhysicalResourceId", event["LogicalResourceId"])
    body = json.dumps({**known, "PhysicalResourceId": physical, **outcome}).encode()
    # Signed for an empty content type; urllib would set one of its own.
    request = urllib.request.Request(  # noqa: S310  (CloudFormation's URL)
        event["ResponseURL"], data=body, headers={"Content-Type": ""}, method="PUT"
    )
    for tries_left in reversed(range(TRIES)):
        try:
            with urllib.request.urlopen(request, timeout=ANSWER_SECONDS):  # noqa: S310  (the same)
                return
        except (OSError, HTTPException) as error:
            if isinstance(error, HTTPError):
                error.close()
            # Neither the URL nor the message, which may hold it: it is signed.
            logger.warning("answer not delivered", extra=describe(error) | {"tries_left": tries_left})
            if not tries_left:
                raise OSError("CloudFormation's answer could not be delivered") from None
