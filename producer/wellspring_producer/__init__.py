"""The producer's side of Wellspring: sends what a connector synced, whole or not at all.

    with Connector(queue_url, workspace_connector_id).run("2026-11-23", snapshot=Snapshot("input", ["company"])) as run:
        for company in crm.companies():
            run.company(company.id, name=company.name)

docs/messages.md says what the messages do.
"""

from wellspring_producer.connector import Connector, Workspace
from wellspring_producer.errors import InvalidRecord, NotCompleted, NotSent, ProducerError, TooManyMessages
from wellspring_producer.runs import Progress, Run, Snapshot

__all__ = [
    "Connector",
    "InvalidRecord",
    "NotCompleted",
    "NotSent",
    "ProducerError",
    "Progress",
    "Run",
    "Snapshot",
    "TooManyMessages",
    "Workspace",
]
