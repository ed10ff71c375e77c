"""Puts the demo's data where it belongs, none of it by SQL.

Parents come through the feed, provenance and matches through the sync queue, groups and choices over HTTP. Loading it
again adds nothing, and what a person did to it since stays.
"""

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from local import demo_data
from local.api import Api
from local.errors import Fault
from local.example_ids import demo_id
from wellspring_producer.messages import entry_of
from wellspring_producer.sending import Sender

SECONDS_FOR_THE_CONSUMER = 90.0
PAUSE_SECONDS = 0.05
# Well below the 256 KiB of a body.
EVENTS_IN_A_BODY = 400

# The demo's group is the first that its owner ever made, whatever became of it.
_GROUP = """
SELECT grouping.id::text FROM core_api.workspace_groups AS grouping
JOIN core_api.peoples AS maker ON maker.pk = grouping.created_by_pk
WHERE maker.id = :owner ORDER BY grouping.pk LIMIT 1
"""
_MEMBERS = """
SELECT count(*) FROM core_api.workspace_group_memberships AS membership
JOIN core_api.workspace_groups AS grouping ON grouping.pk = membership.workspace_group_pk
JOIN core_api.peoples AS member ON member.pk = membership.people_pk
WHERE grouping.id = CAST(:group AS uuid) AND member.id = :member
"""
# Choices as the matching made them: what a person did to one shows in its `updated_at`.
_UNTOUCHED = """
SELECT workspace.id::text, provider.id::text FROM core_api.workspace_providers AS choice
JOIN core_api.workspaces AS workspace ON workspace.pk = choice.workspace_pk
JOIN core_api.providers AS provider ON provider.pk = choice.provider_pk
WHERE NOT choice.is_selected AND choice.deleted_at IS NULL AND choice.updated_at = choice.created_at
"""
# The runs whose `run.completed` was taken, or that are over without it.
_ENDED = """
SELECT connector.id::text, old.run FROM wellspring.sync_runs AS old
JOIN core_api.workspace_connectors AS connector ON connector.pk = old.workspace_connector_pk
WHERE old.completed_by_pk IS NOT NULL OR old.state = 'reverted'
"""
# What was erased for good, and its connectors: what is sent of them has no effect.
_ERASED = """
SELECT workspace_id::text FROM wellspring.erasures UNION ALL
SELECT connector.id::text FROM wellspring.erasures AS erasure
JOIN core_api.workspace_connectors AS connector ON connector.workspace_pk = erasure.workspace_pk
"""
# Those that are of no run.
_MESSAGES = (*demo_data.matches(), *demo_data.ailing())


@dataclass(frozen=True)
class Own:
    """What of the system's own is not there yet: the demo's `group`, its member, choices of (workspace, provider)."""

    group: str | None
    lacks_member: bool
    choices: tuple[tuple[str, int], ...]

    def __bool__(self) -> bool:
        return self.lacks_member or bool(self.choices)


class Demo:
    """Loads the demo through the two queues and over HTTP; looks through the owner's `connection`."""

    def __init__(self, connection: Any, sqs: Any, queue_url: str, feed_queue_url: str) -> None:
        self._connection = connection
        self._sqs = sqs
        self._queue_url = queue_url
        self._feed_queue_url = feed_queue_url

    def send_events(self) -> int:
        """Tell the feed of the parents that are not there; return of how many."""
        there = self._there()
        missing = [event for event in demo_data.events() if event["subject"] not in there]
        for begin in range(0, len(missing), EVENTS_IN_A_BODY):
            body = json.dumps(missing[begin : begin + EVENTS_IN_A_BODY])
            self._sqs.send_message(QueueUrl=self._feed_queue_url, MessageBody=body)
        return len(missing)

    def wait_for_parents(self) -> None:
        """Wait until all parents are there; Fault after a minute and a half."""
        told = {event["subject"] for event in demo_data.events()}
        self._wait("the feed's consumer has not applied", "events", lambda: len(told - self._there()))

    def lacking(self) -> Own:
        """Return what is to be made over HTTP: once the messages have been processed, which match what is chosen."""
        found = self._connection.run(_GROUP, owner=demo_data.OWNER)
        group = str(found[0][0]) if found else None
        ((members,),) = self._connection.run(_MEMBERS, group=group, member=demo_data.MEMBER) or ((0,),)
        untouched = {(workspace, provider) for workspace, provider in self._connection.run(_UNTOUCHED) or ()}
        choices = tuple(
            (letter, number)
            for letter, number, is_selected in demo_data.CHOICES
            if is_selected and (demo_id("workspace", letter), demo_id("provider", "0", number)) in untouched
        )
        return Own(group, not members, choices)

    def send_messages(self) -> int:
        """Send the messages and runs whose effect is not in the database; return of how many."""
        missing = self._missing_messages()
        Sender(self._queue_url, self._sqs).send(*(entry_of(message) for message in missing))
        runs = self._missing_runs()
        for run in runs:
            run.send(self._queue_url, self._sqs)
        return len(missing) + len(runs)

    def wait(self) -> None:
        """Wait until every message's effect is there; Fault after a minute and a half."""
        self._wait(
            "the sync consumer has not processed",
            "messages and runs",
            lambda: len(self._missing_messages()) + len(self._missing_runs()),
        )

    def _missing_runs(self) -> list[demo_data.Sync]:
        """Return the demo's runs whose end has not come. Whatever became of one since, it is not sent again."""
        ended = {(connector, run) for connector, run in self._connection.run(_ENDED) or ()}
        erased = self._erased()
        runs = [run for run in demo_data.runs() if run.connector not in erased]
        return [run for run in runs if (run.connector, run.name) not in ended]

    def _missing_messages(self) -> list[dict[str, Any]]:
        """Return the demo's messages of no run that have not been processed."""
        gone = self._processed([message["id"] for message in _MESSAGES]) | self._erased()
        return [
            message
            for message in _MESSAGES
            if gone.isdisjoint(value for value in message.values() if isinstance(value, str))
        ]

    def _erased(self) -> set[str]:
        return {row[0] for row in self._connection.run(_ERASED) or []}

    def _wait(self, complaint: str, names: str, missing: Callable[[], int]) -> None:
        deadline = time.monotonic() + SECONDS_FOR_THE_CONSUMER
        while number := missing():
            if time.monotonic() > deadline:
                raise Fault(f"{complaint} {number} of the demo's {names}")
            time.sleep(PAUSE_SECONDS)

    def _there(self) -> set[str]:
        """Return the ids of the demo's parents that are there."""
        tables = sorted(demo_data.rows())
        selects = " UNION ALL ".join(
            f"SELECT id::text FROM core_api.{table} WHERE id = ANY (CAST(:ids AS uuid[]))" for table in tables
        )
        rows = self._connection.run(selects, ids=[event["subject"] for event in demo_data.events()])
        return {row[0] for row in rows or []}

    def _processed(self, ids: Sequence[str]) -> set[str]:
        rows = self._connection.run(
            "SELECT message_id::text FROM wellspring.sync_inbox WHERE message_id = ANY (CAST(:ids AS uuid[]))",
            ids=list(ids),
        )
        return {row[0] for row in rows or []}


def make(own: Own, api: Api) -> None:
    """Make over HTTP what is not there; Fault where it is refused."""
    group = own.group or api.make(
        "owner",
        "/v1/workspace-groups",
        "workspace_group",
        {"workspaces": [("workspace", demo_id("workspace", letter)) for letter in demo_data.GROUPED]},
        {"name": demo_data.GROUP_NAME},
    )
    if own.lacks_member:
        member = {"people": ("people", demo_data.MEMBER), "workspace_group": ("workspace_group", group)}
        api.make("owner", "/v1/workspace-group-memberships", "workspace_group_membership", member, {"role": "member"})
    for letter, number in own.choices:
        api.make(
            demo_data.CHOOSERS[letter],
            f"/v1/workspaces/{demo_id('workspace', letter)}/providers",
            "workspace_provider",
            {"provider": ("provider", demo_id("provider", "0", number))},
        )
