"""What the consumers count, as lines of the log that CloudWatch makes metrics of (EMF).

Only they import this. The namespace is Wellspring, the one dimension the service.
"""

from collections.abc import Mapping

from aws_lambda_powertools import Metrics
from aws_lambda_powertools.metrics import MetricUnit

NAMESPACE = "Wellspring"

# Every metric there is (docs/messages.md), and its unit.
UNITS: Mapping[str, MetricUnit] = {
    "Messages": MetricUnit.Count,
    "Records": MetricUnit.Count,
    "Tombstones": MetricUnit.Count,
    "DuplicatesSkipped": MetricUnit.Count,
    "Parked": MetricUnit.Count,
    "TransientFailures": MetricUnit.Count,
    "Released": MetricUnit.Count,
    "ParkedTooLong": MetricUnit.Count,
    "OldestMessageAge": MetricUnit.Seconds,
    "RecordsPerSecond": MetricUnit.CountPerSecond,
    "FeedEvents": MetricUnit.Count,
    "FeedApplied": MetricUnit.Count,
    "FeedWaiting": MetricUnit.Count,
    "FeedParked": MetricUnit.Count,
    "FeedWorkspaceChanged": MetricUnit.Count,
    "FeedReturned": MetricUnit.Count,
    "FeedOldestEventAge": MetricUnit.Seconds,
}

_metrics = Metrics(namespace=NAMESPACE)


def emit(values: Mapping[str, float]) -> None:
    """Write one line with these metrics, by their names. Raises `KeyError` for a name that is not known."""
    for name, value in values.items():
        _metrics.add_metric(name=name, unit=UNITS[name], value=value)
    _metrics.flush_metrics()
