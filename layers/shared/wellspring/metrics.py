"""Metrics of the consumers, as lines of the log that CloudWatch makes metrics of (EMF).

Only they import this. The namespace is Wellspring, the one dimension the service.
"""

from collections.abc import Mapping

from aws_lambda_powertools.metrics import EphemeralMetrics, MetricUnit

NAMESPACE = "Wellspring"

# Every metric there is (docs/messages.md), and its unit.
UNITS: Mapping[str, MetricUnit] = {
    **dict.fromkeys(("Messages", "Records", "Tombstones", "DuplicatesSkipped"), MetricUnit.Count),
    **dict.fromkeys(("Parked", "TransientFailures", "Released", "ParkedTooLong"), MetricUnit.Count),
    **dict.fromkeys(("FeedEvents", "FeedApplied", "FeedWaiting", "FeedParked"), MetricUnit.Count),
    **dict.fromkeys(("FeedWorkspaceChanged", "FeedReturned"), MetricUnit.Count),
    **dict.fromkeys(("EventsPublished", "EventsRefused", "EventsDropped"), MetricUnit.Count),
    **dict.fromkeys(("OldestMessageAge", "FeedOldestEventAge", "OldestUnpublishedEventAge"), MetricUnit.Seconds),
    "RecordsPerSecond": MetricUnit.CountPerSecond,
}


def emit(values: Mapping[str, float]) -> None:
    """Write one line with these metrics, by their names. Raises `KeyError` for a name that is not known."""
    # Of its own: all `Metrics` of a process keep one set, and where two batches are worked on at once, each would write
    # the other's numbers, or find none left.
    line = EphemeralMetrics(namespace=NAMESPACE)
    for name, value in values.items():
        line.add_metric(name=name, unit=UNITS[name], value=value)
    line.flush_metrics()
