"""The gateway's access log, in the format that template.yaml gives API Gateway; and its slowest requests."""

import json
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from local.errors import Fault

MOST_SLOW = 20
_VARIABLE = re.compile(r"\$context\.([\w.]+)")


class AccessLog:
    """One line for each request, written to `file`; `form` is the template's `AccessLogSettings.Format`."""

    def __init__(self, file: Path, form: str) -> None:
        self._output = file.open("a", buffering=1)
        self._form = form

    def write(self, said: Mapping[str, object]) -> None:
        """Write what is `said` of a request, by the names of the format's variables; `-` for what is not said."""
        said = {"requestTime": datetime.now(UTC).strftime("%d/%b/%Y:%H:%M:%S +0000"), **said}
        # As a JSON text without its quotes: what stands in the path is the client's.
        line = _VARIABLE.sub(lambda found: json.dumps(str(said.get(found[1], "-")))[1:-1], self._form)
        self._output.write(f"{line}\n")

    def close(self) -> None:
        """Close the file."""
        self._output.close()


def slowest(access: Path, functions: Path) -> list[str]:
    """Return the slowest requests of the log `access` as lines of a table, the slowest first.

    The code of a failure is found in the log `functions`, by the request's id. Raises Fault where no request is there.
    """
    requests = sorted(_lines(access), key=lambda request: -_milliseconds(request))[:MOST_SLOW]
    if not requests:
        raise Fault("no request has been answered yet")
    ids = {request["request_id"] for request in requests}
    codes = {line["request_id"]: line.get("code", "") for line in _lines(functions) if line.get("request_id") in ids}
    table = [("ms", "function", "status", "route", "code", "request")]
    table += [
        (
            request["milliseconds"],
            request["function_milliseconds"],
            request["status"],
            request["route"],
            codes.get(request["request_id"]) or "-",
            request["request_id"],
        )
        for request in requests
    ]
    wide = [max(len(row[column]) for row in table) for column in range(len(table[0]))]
    return ["  ".join(_padded(row, wide)).rstrip() for row in table]


def _padded(row: tuple[str, ...], wide: list[int]) -> Iterator[str]:
    for number, (text, width) in enumerate(zip(row, wide, strict=True)):
        yield text.rjust(width) if number < 2 else text.ljust(width)  # noqa: PLR2004  the two columns of numbers


def _milliseconds(request: Mapping[str, Any]) -> int:
    return int(request["milliseconds"])


def _lines(log: Path) -> Iterator[dict[str, Any]]:
    """Yield the lines of a log, the part that was put aside first, which are JSON objects with a request's id."""
    for file in (log.with_suffix(".log.old"), log):
        if not file.exists():
            continue
        with file.open() as text:
            for line in text:
                if '"request_id"' in line:
                    try:
                        yield json.loads(line)
                    except ValueError:
                        continue  # a line that is being written
