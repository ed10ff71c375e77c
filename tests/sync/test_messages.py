"""Validation of messages. No database."""

import json
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, get_args
from uuid import UUID, uuid4

import pytest
from pydantic import BaseModel

from wellspring.messages import (
    MOST_RECORDS,
    Claim,
    ConnectorDisconnected,
    MalformedMessage,
    ProvidersMatched,
    ReceivedMessage,
    RecordsInvalidated,
    RecordsSynced,
    SyncReverted,
    parse,
    receive,
)
from wellspring.metrics import UNITS

GUIDE = (Path(__file__).parents[2] / "docs" / "messages.md").read_text()

GONE = object()

RECORD = {"type": "company", "id": "0190a6f0-5d6e-7c3a-9b1e-2f4a6c8d0e12"}
WHOLE: dict[str, Any] = {
    "type": "records.synced",
    "id": "0190a6f0-5d6e-7c3a-9b1e-2f4a6c8d0e10",
    "workspace_connector_id": "0190a6f0-5d6e-7c3a-9b1e-2f4a6c8d0e11",
    "direction": "input",
    "records": [RECORD],
    "mode": "relink",
    "occurred_at": "2026-05-10T08:14:22.000Z",
}


MODELS = (RecordsSynced, RecordsInvalidated, ConnectorDisconnected, ProvidersMatched, SyncReverted)


def like_whole(type_: str, *names: str, **more: Any) -> dict[str, Any]:
    """Return a message of another type that has these members of a whole one, and more."""
    return {"type": type_} | {name: WHOLE[name] for name in ("id", *names)} | more


INVALIDATED = like_whole("records.invalidated", "workspace_connector_id", "records", direction=None)
DISCONNECTED = like_whole("connector.disconnected", "workspace_connector_id")
REVERTED = like_whole("sync.reverted", "workspace_connector_id", run="2026-05-10-nightly")
OF_MESSAGES = like_whole("sync.reverted", "workspace_connector_id")
COMPLETED = like_whole(
    "run.completed",
    "workspace_connector_id",
    "occurred_at",
    run="2026-05-10-nightly",
    message_ids=["0190a6f0-5d6e-7c3a-9b1e-2f4a6c8d0e15"],
    snapshot={"direction": "input", "types": ["company"], "read_since": WHOLE["occurred_at"]},
)
MATCHED = like_whole(
    "providers.matched",
    workspace_id="0190a6f0-5d6e-7c3a-9b1e-2f4a6c8d0e13",
    provider_ids=["0190a6f0-5d6e-7c3a-9b1e-2f4a6c8d0e14"],
)
CONNECTOR, WORKSPACE = WHOLE["workspace_connector_id"], MATCHED["workspace_id"]
OF_CONNECTOR = {"workspace_connector_id": CONNECTOR}


def body(message: dict[str, Any] = WHOLE, /, **members: Any) -> str:
    """Return the body of a message with `members` instead of its own, or without those that are GONE."""
    return json.dumps({name: value for name, value in (message | members).items() if value is not GONE})


def ahead(**distance: int) -> str:
    return (datetime.now(UTC) + timedelta(**distance)).isoformat()


def occurred_at(text: str) -> str | None:
    return receive(text, group="group").occurred_at


def refused(text: str) -> MalformedMessage:
    with pytest.raises(MalformedMessage) as caught:
        parse(text)
    return caught.value


def test_members_that_are_not_known_are_ignored() -> None:
    parse(body(trace="x", records=[RECORD | {"name": "Acme"}]))


@pytest.mark.parametrize(
    "time",
    ["2026-05-10T08:14:22Z", "2026-05-10T08:14:22.123456+02:00", "2026-05-10t08:14:22z", "2026-05-10 08:14:22-11:30"],
)
def test_a_time_is_iso_8601_with_an_offset(time: str) -> None:
    parse(body(occurred_at=time))


def test_a_time_is_taken_from_the_first_that_can_be_shown_to_a_day_ahead_of_our_clock() -> None:
    assert occurred_at(body(occurred_at="0001-01-01T00:00:00Z")) == "0001-01-01T00:00:00+00:00"
    assert occurred_at(body(occurred_at="0001-01-01T14:00:00+14:00")) == "0001-01-01T00:00:00+00:00"
    parse(body(occurred_at=ahead(hours=23, minutes=59)))


def test_of_a_time_is_kept_what_is_shown_so_that_nothing_is_rounded() -> None:
    assert occurred_at(body(occurred_at="2026-05-10T10:14:22.9999999+02:00")) == "2026-05-10T08:14:22.999000+00:00"


def test_as_many_records_as_the_contract_allows_are_taken() -> None:
    records = [{"type": "company", "id": str(uuid4())} for _ in range(MOST_RECORDS)]
    text = body(records=records)
    assert len(text.encode()) < 256 * 1024
    assert parse(text).record_count == MOST_RECORDS


type Wrong = tuple[dict[str, Any], dict[str, Any], str]


def wrong(message: dict[str, Any], path: str, problem: str, *values: Any) -> list[Wrong]:
    """Return a row for each value that one member of a message may not have; the path leads to what is wrong in it."""
    member = path.partition(".")[0]
    return [(message, {member: value}, f"{message['type']}.{path}: {problem}") for value in values]


REQUIRED = [
    *((WHOLE, member) for member in ("id", "workspace_connector_id", "direction", "records", "occurred_at")),
    *((DISCONNECTED, member) for member in ("id", "workspace_connector_id")),
    *((MATCHED, member) for member in ("workspace_id", "provider_ids")),
    (INVALIDATED, "direction"),
]
ATTRIBUTES = "records.0.company.attributes"
WRONG: list[Wrong] = [
    (WHOLE, {"type": GONE}, "body: union_tag_not_found"),
    *((WHOLE, {"type": type_}, "body: union_tag_invalid") for type_ in ("records.created", None)),
    *(row for message, member in REQUIRED for row in wrong(message, member, "missing", GONE)),
    *wrong(WHOLE, "id", "string_pattern_mismatch", "1", WHOLE["id"] + "\n", WHOLE["id"].replace("-", ""), "\0" * 36),
    *wrong(WHOLE, "id", "string_pattern_mismatch", "\N{KELVIN SIGN}" + WHOLE["id"][1:]),
    *wrong(WHOLE, "id", "string_type", 7),
    *wrong(WHOLE, "workspace_connector_id", "string_type", None),
    *wrong(WHOLE, "direction", "literal_error", "sideways", None, "INPUT"),
    *wrong(WHOLE, "mode", "literal_error", "replace", None),
    *wrong(WHOLE, "records", "too_short", []),
    *wrong(WHOLE, "records", "list_type", {}),
    *wrong(WHOLE, "records", "too_long", [RECORD] * (MOST_RECORDS + 1)),
    *wrong(WHOLE, "records.0", "model_attributes_type", [None]),
    *wrong(WHOLE, "records.1", "union_tag_invalid", [RECORD, {"type": "unheard_of", "id": RECORD["id"]}]),
    *wrong(WHOLE, "records.0.company.id", "missing", [{"type": "company"}]),
    *wrong(WHOLE, "records.0", "union_tag_not_found", [{"id": RECORD["id"]}]),
    *wrong(WHOLE, "occurred_at", "timezone_aware", "2026-05-10T08:14:22", "2026-05-10"),
    *wrong(WHOLE, "occurred_at", "datetime_not_iso_8601", 1778400862, "1778400862"),
    *wrong(WHOLE, "occurred_at", "datetime_from_date_parsing", "2026-13-10T08:14:22Z"),
    *wrong(WHOLE, "occurred_at", "datetime_out_of_range", "9999-12-31T23:59:59.999-14:00"),
    *wrong(WHOLE, "occurred_at", "datetime_out_of_range", "0001-01-01T00:00:00+14:00", "0001-01-01T00:00:00+00:01"),
    # The second one is made when the tests are collected, an hour or so before it is sent.
    *wrong(WHOLE, "occurred_at", "datetime_in_the_future", "2999-01-01T00:00:00Z", ahead(days=2)),
    *(
        (WHOLE, {"records": [RECORD | {"attributes": said}]}, f"records.synced.{ATTRIBUTES}{where}")
        for said, where in (
            ({}, ".name: missing"),
            ({"name": ""}, ".name: string_too_short"),
            ({"name": None}, ".name: string_type"),
            ({"name": "x" * 501}, ".name: string_too_long"),
            ({"name": "a\u0007b"}, ".name: string_pattern_mismatch"),
            ({"name": 7}, ".name: string_type"),
            ("a company", ": dict_type"),
            ([], ": dict_type"),
        )
    ),
    *wrong(INVALIDATED, "direction", "literal_error", "both"),
    *wrong(INVALIDATED, "workspace_connector_id", "string_type", None),
    *wrong(INVALIDATED, "records", "too_short", []),
    *wrong(INVALIDATED, "records", "too_long", [RECORD] * (MOST_RECORDS + 1)),
    *wrong(INVALIDATED, "id", "string_pattern_mismatch", "1"),
    *wrong(MATCHED, "provider_ids", "too_short", []),
    *wrong(MATCHED, "provider_ids", "too_long", [WHOLE["id"]] * 3001),
    *wrong(MATCHED, "provider_ids.0", "string_pattern_mismatch", ["x"]),
    *wrong(MATCHED, "provider_ids", "list_type", "x"),
    *((REVERTED, which, "sync.reverted: messages_or_run") for which in ({"run": GONE}, {"message_ids": [WHOLE["id"]]})),
    *wrong(OF_MESSAGES, "message_ids", "too_short", []),
    *wrong(OF_MESSAGES, "message_ids.0", "string_pattern_mismatch", ["x"]),
    *wrong(REVERTED, "run", "string_too_short", ""),
    *wrong(COMPLETED, "run", "string_type", None),
    *wrong(COMPLETED, "run", "string_too_short", ""),
    *wrong(COMPLETED, "message_ids", "list_type", None),
    *wrong(COMPLETED, "message_ids.0", "string_pattern_mismatch", ["x"]),
    *wrong(COMPLETED, "message_ids", "too_long", [RECORD["id"]] * 5001),
    (COMPLETED, {"message_ids": [WHOLE["id"]]}, "run.completed: names_itself"),
    *wrong(COMPLETED, "occurred_at", "datetime_not_iso_8601", None),
    *(
        (COMPLETED, {"snapshot": COMPLETED["snapshot"] | members}, f"run.completed.snapshot.{where}")
        for members, where in (
            ({"types": []}, "types: too_short"),
            ({"types": ["workspace"]}, "types.0: literal_error"),
            ({"direction": None}, "direction: literal_error"),
            ({"read_since": "2126-05-10T08:14:22Z"}, "read_since: datetime_in_the_future"),
            ({"read_since": None}, "read_since: datetime_not_iso_8601"),
        )
    ),
]


@pytest.mark.parametrize(("message", "members", "where"), WRONG)
def test_what_is_malformed_is_told_where(message: dict[str, Any], members: dict[str, Any], where: str) -> None:
    assert refused(body(message, **members)).detail == where


# What is no JSON is in tests/unit/test_strict_json.py.
@pytest.mark.parametrize(
    "text", ["null", "[]", "7", '"records.synced"', body()[:-1], body()[:-1] + ',"mode":"append"}']
)
def test_what_is_no_json_object_is_refused(text: str) -> None:
    assert refused(text).detail


def test_a_refusal_never_repeats_the_body() -> None:
    secret = "swordfish"
    texts = [body(**{member: secret}) for member in WHOLE] + [
        body(records=[{"type": secret, "id": secret, secret: secret}]),
        secret,
    ]
    for text in texts:
        assert secret not in refused(text).detail


def test_only_the_first_few_problems_are_told_and_the_rest_counted() -> None:
    detail = refused(body(records=[{"type": "company", "id": "x"}] * 100)).detail
    assert detail.count("string_pattern_mismatch") == 5
    assert detail.endswith("; and 95 more")


def test_a_refusal_knows_the_message_id_when_that_can_be_read() -> None:
    assert came(body(direction="sideways")).message_id == str(UUID(WHOLE["id"]))
    assert came(body(id="x")).message_id is None
    assert came("[]").message_id is None


@pytest.mark.parametrize(
    ("text", "group", "claim"),
    [
        (body(direction=None), CONNECTOR, Claim(type="records.synced", **OF_CONNECTOR)),
        (
            body(direction=None, run="nightly", workspace_connector_id=CONNECTOR.upper()),
            CONNECTOR,
            Claim(type="records.synced", run="nightly", **OF_CONNECTOR),
        ),
        (body(type="records.lost", run="\n"), CONNECTOR, Claim(**OF_CONNECTOR)),
        (body(REVERTED, message_ids=[]), CONNECTOR, Claim(type="sync.reverted", **OF_CONNECTOR)),
        (body(MATCHED, provider_ids=[]), WORKSPACE, Claim(type="providers.matched", workspace_id=WORKSPACE)),
        (json.dumps({"workspace_id": WORKSPACE}), WORKSPACE, Claim(workspace_id=WORKSPACE)),
        # What says nothing of its connector that can be read is its group's.
        ("not json", CONNECTOR, Claim(**OF_CONNECTOR)),
        ("[]", CONNECTOR, Claim(**OF_CONNECTOR)),
        (body(workspace_connector_id=7), CONNECTOR, Claim(type="records.synced", **OF_CONNECTOR)),
        # What says that it is another's is nobody's.
        (body(direction=None), WORKSPACE, Claim(type="records.synced")),
        (body(direction=None), CONNECTOR.upper(), Claim(type="records.synced")),
        (body(direction=None), "one-group", Claim(type="records.synced")),
        (body(MATCHED, provider_ids=[], **OF_CONNECTOR), CONNECTOR, Claim(type="providers.matched")),
        ("not json", CONNECTOR.upper(), Claim()),
        ("not json", "one-group", Claim()),
    ],
)
def test_of_a_malformed_message_is_kept_what_its_group_agrees_with(text: str, group: str, claim: Claim) -> None:
    assert came(text, group).claim == claim


def came(text: str, group: str = "group") -> ReceivedMessage:
    arrived = receive(text, group=group)
    assert arrived.work is None
    return arrived


def section(type_: str) -> str:
    return GUIDE.partition(f"\n## `{type_}`\n")[2].partition("\n## ")[0]


def type_of(model: type[BaseModel]) -> str:
    (name,) = get_args(model.model_fields["type"].annotation)
    return str(name)


def test_the_producers_guide_shows_each_message_and_tells_of_each_member_and_metric() -> None:
    of_all = GUIDE.partition("\n## Sending\n")[2].partition("\n## ")[0]
    for model in MODELS:
        said = section(type_of(model))
        (example,) = re.findall(r"```json\n(.*?)```", said, re.DOTALL)
        assert isinstance(parse(example), model)
        assert [name for name in model.model_fields if f"| `{name}` |" not in of_all + said] == []
    of_syncs = [name for name in UNITS if not name.startswith(("Feed", "Events", "OldestUnpublished"))]
    assert [name for name in of_syncs if f"| `{name}` | {UNITS[name].value.lower()} |" not in GUIDE] == []
    for what in ("of", "uuids"):
        assert f"1 to {MOST_RECORDS:,} {what}" in GUIDE
