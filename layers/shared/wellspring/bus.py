"""The bus that events go out to: EventBridge, by the environment's credentials."""

from collections.abc import Mapping, Sequence
from typing import Any

# "up to 10 entries", of "256 KB" together (EventBridge user guide, "Sending events with PutEvents").
MOST_ENTRIES, MOST_BYTES = 10, 256 * 1024
# A call that takes longer is one that has failed; none is repeated here, for the outbox repeats it.
CONNECT_SECONDS, READ_SECONDS = 2, 5
CALL_SECONDS = CONNECT_SECONDS + READ_SECONDS
# Of the request: that none of its entries may be sent, which is not the bus's own failure.
_REFUSED = range(400, 500)
_PASSING = frozenset({"ThrottlingException", "Throttling", "RequestLimitExceeded", "RequestTimeout"})


class BusAway(Exception):
    """The bus does not answer, or has too much to do: whatever is sent now would fare alike."""


class EntriesRefused(Exception):
    """The bus takes none of the entries of a call; it may take some of them without the others."""


def size_of(entry: Mapping[str, Any]) -> int:
    """Return how many bytes of a call an entry takes: 14 of its time, and its texts (the same page)."""
    return 14 + sum(len(entry[name].encode()) for name in ("Source", "DetailType", "Detail"))


class Bus:
    """One event bus; `AWS_ENDPOINT_URL_EVENTBRIDGE` says where it is, if not in AWS.

    Args:
        name: the bus's ARN or name.
    """

    def __init__(self, name: str) -> None:
        import boto3  # noqa: PLC0415  (0.2 s that only the publisher spends)
        from botocore.config import Config  # noqa: PLC0415  (with boto3)

        self._name = name
        limits = Config(connect_timeout=CONNECT_SECONDS, read_timeout=READ_SECONDS, retries={"total_max_attempts": 1})
        self._events: Any = boto3.client("events", config=limits)

    def put(self, entries: Sequence[Mapping[str, Any]]) -> list[str | None]:
        """Send at most ten entries in one call; return for each None, or the code of why it was not taken.

        Raises `BusAway`, where it may have taken them or not, and `EntriesRefused`, where it has taken none.
        """
        from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415  (with boto3)

        try:
            answer = self._events.put_events(Entries=[{**entry, "EventBusName": self._name} for entry in entries])
        except ClientError as error:
            code = str(error.response.get("Error", {}).get("Code", ""))
            status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
            refused = EntriesRefused if status in _REFUSED and code not in _PASSING else BusAway
            raise refused(code) from error
        except BotoCoreError as error:
            raise BusAway(type(error).__qualname__) from error
        return [entry.get("ErrorCode") for entry in answer["Entries"]]
