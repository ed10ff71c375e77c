"""Handler of exports: a workspace is written into files in turns, each of one invocation."""

import json
import os
import re
from collections.abc import Mapping
from functools import cache
from typing import Any

from wellspring.database.flush import Row
from wellspring.errors import BadRequest
from wellspring.files import Shelf
from wellspring.handlers.invocation import LambdaHandler, deadline_of
from wellspring.ids import parse_id
from wellspring.jsonapi.documents import exported_object
from wellspring.observability import logger
from wellspring.resources import Resource
from wellspring.services.exporting import export

RUN = re.compile(r"[A-Za-z0-9._-]{1,100}")


@cache
def _shelf() -> Shelf:
    return Shelf(os.environ["EXPORT_BUCKET"])


def exporter() -> LambdaHandler:
    """Return the Lambda handler that an operator calls until its answer's `outcome` is `done`.

    The event is `{"workspace": ID, "run": NAME}`. The answer also says how many `lines` there are, and the `parts`:
    keys of the bucket `bucket`, which put together in their order are one gzip file of JSON Lines.

    Raises `BadRequest` where the event names no workspace or no run, `NotFound` where there never was such a workspace,
    and `Replaced` where another call goes on with the same run.
    """

    def handler(event: Mapping[str, Any], context: object) -> dict[str, object]:
        logger.append_keys(request_id=str(getattr(context, "aws_request_id", "")))
        workspace, run = parse_id(str(event.get("workspace"))), str(event.get("run", ""))
        if workspace is None:
            raise BadRequest("The event must have the id of a workspace as its workspace.")
        if not RUN.fullmatch(run) or not run.strip("."):
            raise BadRequest("The event must have a run of 1 to 100 letters, digits, dots, hyphens and underscores.")
        done = export(_shelf(), workspace, run, _line, deadline_of(context))
        told = {name: getattr(done, name) for name in ("workspace", "run", "outcome", "lines")}
        return told | {"bucket": _shelf().bucket, "parts": list(done.parts)}

    return handler


def _line(resource: Resource, row: Row) -> bytes:
    return json.dumps(exported_object(resource, row), ensure_ascii=False, separators=(",", ":")).encode() + b"\n"
