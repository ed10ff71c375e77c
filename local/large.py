"""`make demo SIZE=large`: fills the running stack with a believable platform, by the feed and the sync queue.

Then its times are spread over the year that ends today: by the owner, in SQL, which is the one exception from "nothing
of the demo by SQL" (contract, section 9). Sums are kept by the tables' triggers meanwhile, and recounted at the end.
"""

import json
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from itertools import batched
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from local import demo_data, large_data
from local.api import Api
from local.errors import Fault
from local.example_ids import demo_id
from local.identity import Identity
from local.large_data import SOURCE
from local.load import load
from local.postgres import connected
from local.queue import client
from local.running import facts
from local.settings import Settings
from wellspring.resources import ledgers, records, resource_of
from wellspring_producer.messages import entry_of
from wellspring_producer.sending import MOST_ENTRIES, Sender

# So many messages lie in the queue at most: the local server looks through all of them whenever it is asked for some.
AHEAD = 100
PAUSE_SECONDS = 0.1
# Longer than any pause of a good consumer.
SECONDS_WITHOUT_PROGRESS = 120.0
GROUPS = {"Southern region": (1, 2, 3), "Northern region": (4,)}
CHOSEN = 6

_FED = ("workspaces", *(record.table for record in records()), "workspace_connectors", "workspace_memberships")
# How many messages are done.
_DONE = "SELECT count(*) FROM wellspring.sync_messages JOIN planned USING (message_id) WHERE outcome <> 'in_progress'"
_LEDGERS = tuple(ledger.table for ledger in ledgers().values())


class LargeDemo:
    """Fills one running stack, over the year that ends now; by the owner's connection."""

    def __init__(self, settings: Settings, stack: Mapping[str, str], connection: Any) -> None:
        self._settings = settings
        self._stack = stack
        self._connection = connection
        self._now = datetime.now(UTC)
        self._began = time.monotonic()

    def fill(self) -> dict[str, int]:
        """Fill the stack; return how much of everything there is. Raises Fault where something comes no further."""
        if self._is_there():
            self._say("the large demo is there already")
            return self._counts()
        self._feed()
        self._sync()
        self._spread()
        self._last_night()
        self._group()
        return self._counts()

    def outages(self) -> list[large_data.Outage]:
        """Return who is away in the year that is told, and when."""
        return large_data.outages(self._now)

    # ---- by the feed, the queue and HTTP ----------------------------------------------------------------
    def _feed(self) -> None:
        with TemporaryDirectory() as folder:
            path = Path(folder) / "large-demo.jsonl"
            with path.open("w") as file:
                lines = sum(bool(file.write(json.dumps(event) + "\n")) for event in large_data.events())
            self._say(f"loading {lines:,} events of the feed")
            summary = load(self._settings, str(path))
        if summary["outcome"] != "done":
            raise Fault(f"the feed's file was not loaded: {summary}")

    def _sync(self) -> None:
        syncs = large_data.syncs(self._now)
        records = sum(len(sync.body.get("records", ())) for sync in syncs)
        self._say(f"sending {len(syncs):,} sync messages of {records:,} records")
        self._run("CREATE TEMPORARY TABLE planned (message_id uuid PRIMARY KEY, at timestamptz NOT NULL)")
        self._send(syncs)

    def _last_night(self) -> None:
        """Have two tools of each of the owner's workspaces read whole: one lost a few records, one is not well."""
        self._say("sending last night's snapshots")
        sent = [
            large_data.Sync(self._now, body)
            for workspace in range(1, large_data.OWNERS_WORKSPACES + 1)
            for connection in large_data.read_whole(workspace)
            for body in large_data.last_night(connection, self._live(connection), self._now)
        ]
        self._send(sent)

    def _live(self, connection: large_data.Connection) -> list[tuple[str, str]]:
        """Return (type, id) of the records that a connector has live."""
        return [
            (type_, id_)
            for type_ in connection.kind.carries
            for (id_,) in self._run(
                f"SELECT DISTINCT record.id::text FROM core_api.{ledgers()[type_].table} AS row"
                f" JOIN core_api.{resource_of(type_).table} AS record ON record.pk = row.{type_}_pk"
                " JOIN core_api.workspace_connectors AS connector ON connector.pk = row.workspace_connector_pk"
                " WHERE connector.id = CAST(:connector AS uuid) AND row.deleted_at IS NULL"
                " AND row.direction = CAST(:direction AS core_api.direction_enum) ORDER BY 1",
                connector=connection.id,
                direction=connection.kind.direction,
            )
        ]

    def _send(self, syncs: Sequence[large_data.Sync]) -> None:
        """Send messages, and wait until all are done."""
        planned = [{"message_id": sync.body["id"], "at": sync.at.isoformat()} for sync in syncs]
        self._run(
            "INSERT INTO planned SELECT message_id, at FROM jsonb_to_recordset(CAST(:rows AS jsonb))"
            " AS row (message_id uuid, at timestamptz) ON CONFLICT DO NOTHING",
            rows=json.dumps(planned),
        )
        sender = Sender(self._stack["queue_url"], client(self._stack["sqs_endpoint_url"]))
        sent = done = 0
        ((before, of),) = self._run(f"SELECT ({_DONE}), (SELECT count(*) FROM planned)")
        for several in batched(syncs, MOST_ENTRIES, strict=False):
            if sent - done > AHEAD:
                done = self._wait(before + sent - AHEAD, of) - before
            sender.send(*(entry_of(sync.body) for sync in several))
            sent += len(several)
        self._wait(of, of)
        print(file=sys.stderr)

    def _wait(self, wanted: int, of: int) -> int:
        """Wait until so many `of` all messages are applied or parked; return how many are."""
        done, moved = -1, time.monotonic()
        while True:
            ((found,),) = self._run(_DONE)
            _show(found, of)
            if found >= wanted:
                return int(found)
            if found > done:
                done, moved = found, time.monotonic()
            elif time.monotonic() - moved > SECONDS_WITHOUT_PROGRESS:
                raise Fault(f"the sync consumer stands at {found} of {of} messages; see the functions' log")
            time.sleep(PAUSE_SECONDS)

    def _group(self) -> None:
        """Make the owner's groups and choices, over HTTP."""
        self._say("making groups and choosing providers over HTTP")
        api = Api(self._stack["api_url"], Identity(self._settings.state, self._settings.port))
        for name, workspaces in GROUPS.items():
            linked = [("workspace", large_data.id_of("workspace", number)) for number in workspaces]
            api.make("owner", "/v1/workspace-groups", "workspace_group", {"workspaces": linked}, {"name": name})
        for workspace in range(1, large_data.OWNERS_WORKSPACES + 1):
            path = f"/v1/workspaces/{large_data.id_of('workspace', workspace)}/providers"
            for number in range(1, CHOSEN + 1):
                provider = ("provider", demo_id("provider", "0", workspace * 5 + number))
                api.make("owner", path, "workspace_provider", {"provider": provider})

    # ---- by the owner: times alone ----------------------------------------------------------------------
    def _spread(self) -> None:
        """Put messages, rows and parents where they belong in the year. Sums follow by the tables' triggers."""
        self._say("spreading the times over a year")
        self._run("BEGIN")
        self._run("ANALYZE planned")
        for table in _FED:
            self._run(
                f"UPDATE core_api.{table} SET created_at = :at, updated_at = :at WHERE source = :source",
                at=self._now - large_data.YEAR,
                source=SOURCE,
            )
        self._run(
            "UPDATE wellspring.sync_messages AS old SET occurred_at = CASE WHEN occurred_at IS NOT NULL THEN at END,"
            " sent_at = at + interval '1 second', received_at = at + interval '2 seconds',"
            " processed_at = CASE WHEN processed_at IS NOT NULL THEN at + interval '3 seconds' END"
            " FROM planned WHERE old.message_id = planned.message_id"
        )
        for ledger in _LEDGERS:
            self._run(
                f"UPDATE core_api.{ledger} AS row SET created_at = told.made_at,"
                " deleted_at = CASE WHEN row.deleted_at IS NOT NULL THEN greatest(told.ended_at, told.made_at) END,"
                " updated_at = greatest(told.made_at, told.ended_at)"
                " FROM (SELECT kept.pk, made.processed_at AS made_at, ender.processed_at AS ended_at"
                f"         FROM core_api.{ledger} AS kept"
                "          JOIN wellspring.sync_messages AS made ON made.pk = kept.sync_message_pk"
                "          JOIN planned ON planned.message_id = made.message_id"
                "          LEFT JOIN wellspring.sync_messages AS ender ON ender.pk = kept.ended_by_pk) AS told"
                " WHERE row.pk = told.pk"
            )
        self._run(
            "UPDATE wellspring.sync_runs AS old SET started_at = told.began,"
            " completed_at = CASE WHEN old.completed_at IS NOT NULL THEN told.ended END,"
            " noted = old.noted || jsonb_build_object('at', CAST(told.began AS text))"
            " FROM (SELECT sync_run_pk, min(received_at) AS began, max(processed_at) AS ended"
            " FROM wellspring.sync_messages JOIN planned USING (message_id) GROUP BY sync_run_pk) AS told"
            " WHERE old.pk = told.sync_run_pk"
        )
        self._run(
            "UPDATE wellspring.connector_state AS old SET last_synced_at = new.synced, last_changed_at = new.changed,"
            " last_failed_at = new.failed, applied_at = new.applied,"
            " (syncs, sync_runs) = (SELECT known_syncs, known_runs"
            "    FROM wellspring.add_syncs('{}', '{}', new.times, new.runs))"
            " FROM (SELECT workspace_connector_pk,"
            " max(occurred_at) FILTER (WHERE outcome = 'applied' AND message_type = 'records.synced') AS synced,"
            " max(processed_at) FILTER (WHERE outcome = 'applied') AS changed,"
            " max(processed_at) FILTER (WHERE outcome = 'applied' AND message_type = 'records.synced') AS applied,"
            " array_agg(occurred_at ORDER BY occurred_at)"
            "    FILTER (WHERE outcome = 'applied' AND message_type = 'records.synced') AS times,"
            " array_agg(run ORDER BY occurred_at)"
            "    FILTER (WHERE outcome = 'applied' AND message_type = 'records.synced') AS runs,"
            " max(received_at) FILTER (WHERE outcome = 'parked') AS failed"
            " FROM wellspring.sync_messages JOIN planned USING (message_id) GROUP BY workspace_connector_pk) AS new"
            " WHERE old.workspace_connector_pk = new.workspace_connector_pk"
        )
        self._run("COMMIT")
        (differences,) = self._run(
            "SELECT count(*) FROM wellspring.recount(0, (SELECT max(pk) + 1 FROM core_api.workspace_connectors), false)"
        )[0]
        if differences:
            raise Fault(f"the sums differ from the rows in {differences} places")
        self._run("ANALYZE")

    # ---- telling ----------------------------------------------------------------------------------------
    def _is_there(self) -> bool:
        """Say whether all of it was done: its last step but the groups moves the workspaces to a year ago."""
        (moved,) = self._run(
            "SELECT count(*) FROM core_api.workspaces WHERE source = :source AND created_at < now() - interval '1 day'",
            source=SOURCE,
        )[0]
        return bool(moved)

    def _counts(self) -> dict[str, int]:
        tables = (*_FED, *_LEDGERS)
        found = {table: self._run(f"SELECT count(*) FROM core_api.{table}")[0][0] for table in tables}
        for name, of, by in (
            ("sync messages", "sync_messages", "outcome"),
            ("runs", "sync_runs", "state"),
            ("events of the feed", "pending_events", "outcome"),
        ):
            rows = self._run(f"SELECT {by}, count(*) FROM wellspring.{of} GROUP BY {by} ORDER BY {by}")
            found |= {f"{name} {outcome}": number for outcome, number in rows}
        return found

    def _run(self, statement: str, **values: Any) -> list[Any]:
        rows = self._connection.run(statement, **values)
        return list(rows or ())

    def _say(self, text: str) -> None:
        print(f"{time.monotonic() - self._began:5.1f} s  {text}", flush=True)


def fill(settings: Settings, size: str) -> None:
    """Fill the running stack, and say what there is. Raises Fault where there is no such size, or no stack runs."""
    if size != "large":
        raise Fault(f"SIZE={size!r}: there is one size, large; the small demo is there from the start")
    began = time.monotonic()
    stack = facts(settings)
    with connected(stack["database_url"]) as connection:
        demo = LargeDemo(settings, stack, connection)
        counts = demo.fill()
    outages = settings.state / "outages.json"
    outages.write_text(json.dumps([asdict(each) for each in demo.outages()], default=str, indent=2) + "\n")
    width = max(map(len, counts))
    for name, number in counts.items():
        print(f"  {name.replace('_', ' '):{width}}  {number:>9,}")
    owner = len(demo_data.WORKSPACES) - 1 + large_data.OWNERS_WORKSPACES
    print(
        f"{time.monotonic() - began:5.1f} s  done: `make token` signs in as somebody who sees {owner} of the workspaces"
        f"; who was away, and when, is in {outages}"
    )


def _show(done: int, wanted: int) -> None:
    if sys.stderr.isatty():
        print(f"\r  {done:,} of {wanted:,} messages", end="", file=sys.stderr, flush=True)
