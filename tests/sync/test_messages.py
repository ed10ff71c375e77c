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
    ConnectorDisconnected,
    MalformedMessage,
    ProvidersMatched,
    RecordsInvalidated,
    RecordsSynced,
    SyncReverted,
    arrival,
    parse,
)
from wellspring.metrics import UNITS
from wellspring.work import Claim, Disconnected, Invalidated, Matched, ReceivedMessage, Synced

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
INVALIDATED = {name: WHOLE[name] for name in ("id", "workspace_connector_id", "records")} | {
    "type": "records.invalidated",
    "direction": None,
}
DISCONNECTED = {name: WHOLE[name] for name in ("id", "workspace_connector_id")} | {"type": "connector.disconnected"}
REVERTED = {name: WHOLE[name] for name in ("id", "workspace_connector_id")} | {
    "type": "sync.reverted",
    "run": "2026-05-10-nightly",
}
COMPLETED: dict[str, Any] = {name: WHOLE[name] for name in ("id", "workspace_connector_id", "occurred_at")} | {
    "type": "run.completed",
    "run": "2026-05-10-nightly",
    "message_ids": ["0190a6f0-5d6e-7c3a-9b1e-2f4a6c8d0e15"],
    "snapshot": {"direction": "input", "types": ["company"], "read_since": WHOLE["occurred_at"]},
}
MATCHED = {
    "type": "providers.matched",
    "id": WHOLE["id"],
    "workspace_id": "0190a6f0-5d6e-7c3a-9b1e-2f4a6c8d0e13",
    "provider_ids": ["0190a6f0-5d6e-7c3a-9b1e-2f4a6c8d0e14"],
}


def body(**members: Any) -> str:
    """Return a whole body with `members` instead of its own, or without those that are GONE."""
    return json.dumps({name: value for name, value in (WHOLE | members).items() if value is not GONE})


def ahead(**distance: int) -> str:
    """Return a time so far ahead of our clock."""
    return (datetime.now(UTC) + timedelta(**distance)).isoformat()


def parsed(text: str) -> Synced:
    work = parse(text).work("group")
    assert isinstance(work, Synced)
    return work


def refused(text: str) -> MalformedMessage:
    with pytest.raises(MalformedMessage) as caught:
        parse(text)
    return caught.value


def test_a_whole_message_is_understood() -> None:
    work = parsed(body())
    assert (work.id, work.group) == (WHOLE["id"], "group")
    assert (work.workspace_connector_id, work.direction, work.relink) == (
        WHOLE["workspace_connector_id"],
        "input",
        True,
    )
    assert work.records == {"company": (RECORD["id"],)}


def test_a_message_appends_unless_it_says_otherwise() -> None:
    assert not parsed(body(mode=GONE)).relink
    assert not parsed(body(mode="append")).relink


def test_a_record_named_twice_counts_once_also_in_capitals() -> None:
    records = [RECORD, RECORD | {"id": RECORD["id"].upper()}, RECORD | {"type": "people"}]
    work = parsed(body(records=records))
    assert work.records == {"company": (RECORD["id"],), "people": (RECORD["id"],)}
    assert work.record_count == 2


def test_an_invalidation_is_understood() -> None:
    repeated = INVALIDATED | {"records": [RECORD, RECORD | {"id": RECORD["id"].upper()}]}
    assert parse(json.dumps(repeated)).work("group") == Invalidated(
        id=WHOLE["id"],
        group="group",
        workspace_connector_id=WHOLE["workspace_connector_id"],
        direction=None,
        records={"company": (RECORD["id"],)},
    )
    said = parse(json.dumps(INVALIDATED | {"direction": "output"})).work("group")
    assert isinstance(said, Invalidated)
    assert said.direction == "output"


def test_a_disconnect_is_understood() -> None:
    assert parse(json.dumps(DISCONNECTED)).work("group") == Disconnected(
        id=WHOLE["id"], group="group", workspace_connector_id=WHOLE["workspace_connector_id"]
    )


def test_a_match_is_understood() -> None:
    (provider,) = MATCHED["provider_ids"]
    assert parse(json.dumps(MATCHED | {"provider_ids": [provider, provider.upper()]})).work("group") == Matched(
        id=WHOLE["id"], group="group", workspace_id=str(MATCHED["workspace_id"]), provider_ids=(provider,)
    )


def test_members_that_are_not_known_are_ignored() -> None:
    parse(body(trace="x", records=[RECORD | {"name": "Acme"}]))


@pytest.mark.parametrize(
    "occurred_at",
    ["2026-05-10T08:14:22Z", "2026-05-10T08:14:22.123456+02:00", "2026-05-10t08:14:22z", "2026-05-10 08:14:22-11:30"],
)
def test_a_time_is_iso_8601_with_an_offset(occurred_at: str) -> None:
    parse(body(occurred_at=occurred_at))


def test_a_time_is_taken_from_the_first_that_can_be_shown_to_a_day_ahead_of_our_clock() -> None:
    assert parsed(body(occurred_at="0001-01-01T00:00:00Z")).occurred_at == "0001-01-01T00:00:00+00:00"
    assert parsed(body(occurred_at="0001-01-01T14:00:00+14:00")).occurred_at == "0001-01-01T00:00:00+00:00"
    parse(body(occurred_at=ahead(hours=23, minutes=59)))


def test_of_a_time_is_kept_what_is_shown_so_that_nothing_is_rounded() -> None:
    work = parsed(body(occurred_at="2026-05-10T10:14:22.9999999+02:00"))
    assert work.occurred_at == "2026-05-10T08:14:22.999000+00:00"


def test_as_many_records_as_the_contract_allows_are_taken() -> None:
    records = [{"type": "company", "id": str(uuid4())} for _ in range(MOST_RECORDS)]
    text = body(records=records)
    assert len(text.encode()) < 256 * 1024
    assert parse(text).work("group").record_count == MOST_RECORDS


@pytest.mark.parametrize(
    ("members", "where"),
    [
        ({"type": GONE}, "body: union_tag_not_found"),
        ({"type": "records.created"}, "body: union_tag_invalid"),
        ({"type": None}, "body: union_tag_invalid"),
        ({"id": GONE}, "records.synced.id: missing"),
        ({"id": "1"}, "records.synced.id: string_pattern_mismatch"),
        ({"id": WHOLE["id"] + "\n"}, "records.synced.id: string_pattern_mismatch"),
        ({"id": WHOLE["id"].replace("-", "")}, "records.synced.id: string_pattern_mismatch"),
        ({"id": "\N{KELVIN SIGN}" + WHOLE["id"][1:]}, "records.synced.id: string_pattern_mismatch"),
        ({"id": "\0" * 36}, "records.synced.id: string_pattern_mismatch"),
        ({"id": 7}, "records.synced.id: string_type"),
        ({"workspace_connector_id": GONE}, "records.synced.workspace_connector_id: missing"),
        ({"workspace_connector_id": None}, "records.synced.workspace_connector_id: string_type"),
        ({"direction": GONE}, "records.synced.direction: missing"),
        ({"direction": "sideways"}, "records.synced.direction: literal_error"),
        ({"direction": None}, "records.synced.direction: literal_error"),
        ({"direction": "INPUT"}, "records.synced.direction: literal_error"),
        ({"mode": "replace"}, "records.synced.mode: literal_error"),
        ({"mode": None}, "records.synced.mode: literal_error"),
        ({"records": GONE}, "records.synced.records: missing"),
        ({"records": []}, "records.synced.records: too_short"),
        ({"records": {}}, "records.synced.records: list_type"),
        ({"records": [RECORD] * (MOST_RECORDS + 1)}, "records.synced.records: too_long"),
        ({"records": [None]}, "records.synced.records.0: model_attributes_type"),
        (
            {"records": [RECORD, {"type": "unheard_of", "id": RECORD["id"]}]},
            "records.synced.records.1: union_tag_invalid",
        ),
        ({"records": [{"type": "company"}]}, "records.synced.records.0.company.id: missing"),
        ({"records": [{"id": RECORD["id"]}]}, "records.synced.records.0: union_tag_not_found"),
        ({"occurred_at": GONE}, "records.synced.occurred_at: missing"),
        ({"occurred_at": "2026-05-10T08:14:22"}, "records.synced.occurred_at: timezone_aware"),
        ({"occurred_at": "2026-05-10"}, "records.synced.occurred_at: timezone_aware"),
        ({"occurred_at": 1778400862}, "records.synced.occurred_at: datetime_not_iso_8601"),
        ({"occurred_at": "1778400862"}, "records.synced.occurred_at: datetime_not_iso_8601"),
        ({"occurred_at": "2026-13-10T08:14:22Z"}, "records.synced.occurred_at: datetime_from_date_parsing"),
        ({"occurred_at": "9999-12-31T23:59:59.999-14:00"}, "records.synced.occurred_at: datetime_out_of_range"),
        ({"occurred_at": "0001-01-01T00:00:00+14:00"}, "records.synced.occurred_at: datetime_out_of_range"),
        ({"occurred_at": "0001-01-01T00:00:00+00:01"}, "records.synced.occurred_at: datetime_out_of_range"),
        ({"occurred_at": "2999-01-01T00:00:00Z"}, "records.synced.occurred_at: datetime_in_the_future"),
        # Made when the tests are collected, an hour or so before it is sent.
        ({"occurred_at": ahead(days=2)}, "records.synced.occurred_at: datetime_in_the_future"),
    ],
)
def test_a_malformed_message_is_refused_and_told_where(members: dict[str, Any], where: str) -> None:
    assert refused(body(**members)).detail == where


@pytest.mark.parametrize(
    ("members", "where"),
    [
        (INVALIDATED | {"direction": GONE}, "records.invalidated.direction: missing"),
        (INVALIDATED | {"direction": "both"}, "records.invalidated.direction: literal_error"),
        (INVALIDATED | {"workspace_connector_id": None}, "records.invalidated.workspace_connector_id: string_type"),
        (INVALIDATED | {"records": []}, "records.invalidated.records: too_short"),
        (INVALIDATED | {"records": [RECORD] * (MOST_RECORDS + 1)}, "records.invalidated.records: too_long"),
        (INVALIDATED | {"id": "1"}, "records.invalidated.id: string_pattern_mismatch"),
        (DISCONNECTED | {"id": GONE}, "connector.disconnected.id: missing"),
        (DISCONNECTED | {"workspace_connector_id": GONE}, "connector.disconnected.workspace_connector_id: missing"),
        (MATCHED | {"workspace_id": GONE}, "providers.matched.workspace_id: missing"),
        (MATCHED | {"provider_ids": GONE}, "providers.matched.provider_ids: missing"),
        (MATCHED | {"provider_ids": []}, "providers.matched.provider_ids: too_short"),
        (MATCHED | {"provider_ids": [WHOLE["id"]] * 3001}, "providers.matched.provider_ids: too_long"),
        (MATCHED | {"provider_ids": ["x"]}, "providers.matched.provider_ids.0: string_pattern_mismatch"),
        (MATCHED | {"provider_ids": "x"}, "providers.matched.provider_ids: list_type"),
        # Messages or a run.
        (REVERTED | {"run": GONE}, "sync.reverted: messages_or_run"),
        (REVERTED | {"message_ids": [WHOLE["id"]]}, "sync.reverted: messages_or_run"),
        (REVERTED | {"run": GONE, "message_ids": []}, "sync.reverted.message_ids: too_short"),
        (REVERTED | {"run": GONE, "message_ids": ["x"]}, "sync.reverted.message_ids.0: string_pattern_mismatch"),
        (REVERTED | {"run": ""}, "sync.reverted.run: string_too_short"),
        (COMPLETED | {"run": None}, "run.completed.run: string_type"),
        (COMPLETED | {"run": ""}, "run.completed.run: string_too_short"),
        (COMPLETED | {"message_ids": None}, "run.completed.message_ids: list_type"),
        (COMPLETED | {"message_ids": ["x"]}, "run.completed.message_ids.0: string_pattern_mismatch"),
        (COMPLETED | {"message_ids": [RECORD["id"]] * 5001}, "run.completed.message_ids: too_long"),
        (COMPLETED | {"message_ids": [WHOLE["id"]]}, "run.completed: names_itself"),
        (COMPLETED | {"occurred_at": None}, "run.completed.occurred_at: datetime_not_iso_8601"),
        *(
            (COMPLETED | {"snapshot": COMPLETED["snapshot"] | members}, f"run.completed.snapshot.{where}")
            for members, where in (
                ({"types": []}, "types: too_short"),
                ({"types": ["workspace"]}, "types.0: literal_error"),
                ({"direction": None}, "direction: literal_error"),
                ({"read_since": "2126-05-10T08:14:22Z"}, "read_since: datetime_in_the_future"),
                ({"read_since": None}, "read_since: datetime_not_iso_8601"),
            )
        ),
        *(
            (
                WHOLE | {"records": [RECORD | {"attributes": said}]},
                f"records.synced.records.0.company.attributes{where}",
            )
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
    ],
)
def test_a_malformed_message_of_another_type_is_refused_and_told_where(members: dict[str, Any], where: str) -> None:
    text = json.dumps({name: value for name, value in members.items() if value is not GONE})
    assert refused(text).detail == where


@pytest.mark.parametrize(
    "text",
    [
        "",
        "null",
        "[]",
        "7",
        '"records.synced"',
        "not json",
        body()[:-1],
        "\ufeff" + body(),
        body().replace("input", "in\0put"),
        '{"type":"\ud800"}',
        r'{"type":"\ud800"}',
        "[" * 100_000,
        '{"records":' * 100_000,
        '{"id":' + "9" * 100_000 + "}",
        '{"type":NaN}',
        body()[:-1] + ',"more":NaN}',
        body()[:-1] + ',"more":-Infinity}',
        body()[:-1] + ',"mode":"append"}',
        body()[:-1] + ',"more":{"a":1,"a":1}}',
        " " * 300_000,
    ],
    ids=lambda text: f"{text[:12]!a}+{len(text)}",
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


CONNECTOR, WORKSPACE = WHOLE["workspace_connector_id"], MATCHED["workspace_id"]
OF_CONNECTOR = {"workspace_connector_id": CONNECTOR}


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
        (json.dumps(REVERTED | {"message_ids": []}), CONNECTOR, Claim(type="sync.reverted", **OF_CONNECTOR)),
        (
            json.dumps(MATCHED | {"provider_ids": []}),
            WORKSPACE,
            Claim(type="providers.matched", workspace_id=WORKSPACE),
        ),
        (json.dumps({"workspace_id": WORKSPACE}), WORKSPACE, Claim(workspace_id=WORKSPACE)),
        # What says nothing of its connector that can be read is its group's.
        ("not json", CONNECTOR, Claim(**OF_CONNECTOR)),
        ("[]", CONNECTOR, Claim(**OF_CONNECTOR)),
        (body(workspace_connector_id=7), CONNECTOR, Claim(type="records.synced", **OF_CONNECTOR)),
        # What says that it is another's is nobody's.
        (body(direction=None), WORKSPACE, Claim(type="records.synced")),
        (body(direction=None), CONNECTOR.upper(), Claim(type="records.synced")),
        (body(direction=None), "one-group", Claim(type="records.synced")),
        (json.dumps(MATCHED | {"provider_ids": []} | OF_CONNECTOR), CONNECTOR, Claim(type="providers.matched")),
        ("not json", CONNECTOR.upper(), Claim()),
        ("not json", "one-group", Claim()),
    ],
)
def test_of_a_malformed_message_is_kept_what_its_group_agrees_with(text: str, group: str, claim: Claim) -> None:
    assert came(text, group).claim == claim


def came(text: str, group: str = "group") -> ReceivedMessage:
    arrived = arrival(text, group=group)
    assert arrived.work is None
    return arrived


def section(type_: str) -> str:
    """Return what the guide says under a type's heading."""
    return GUIDE.partition(f"\n## `{type_}`\n")[2].partition("\n## ")[0]


def type_of(model: type[BaseModel]) -> str:
    (name,) = get_args(model.model_fields["type"].annotation)
    return str(name)


@pytest.mark.parametrize("model", MODELS, ids=type_of)
def test_the_producers_guide_shows_each_message(model: type[BaseModel]) -> None:
    (example,) = re.findall(r"```json\n(.*?)```", section(type_of(model)), re.DOTALL)
    assert isinstance(parse(example), model)


@pytest.mark.parametrize(("type_", "word"), [(type_of(model), word) for model in MODELS for word in model.model_fields])
def test_the_producers_guide_tells_of_every_member(type_: str, word: str) -> None:
    of_all = GUIDE.partition("\n## Sending\n")[2].partition("\n## ")[0]
    assert f"| `{word}` |" in of_all + section(type_)


@pytest.mark.parametrize(
    "reason",
    ["malformed", "unknown_connector", "unknown_record", "tenant_mismatch", "unknown_workspace", "unknown_provider"],
)
def test_the_producers_guide_tells_of_every_reason(reason: str) -> None:
    assert f"| `{reason}` |" in GUIDE


@pytest.mark.parametrize(
    "name", [name for name in UNITS if not name.startswith(("Feed", "Events", "OldestUnpublished"))]
)
def test_the_producers_guide_tells_of_every_metric(name: str) -> None:
    assert f"| `{name}` | {UNITS[name].value.lower()} |" in GUIDE


def test_the_producers_guide_says_how_many_records_there_may_be() -> None:
    assert f"1 to {MOST_RECORDS:,} of" in GUIDE
    assert f"1 to {MOST_RECORDS:,} uuids" in GUIDE
