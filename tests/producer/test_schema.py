"""Messages of the package fit docs/messages.schema.json, and the consumer understands them."""

import json
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as some
from openapi_schema_validator import OAS31Validator, oas31_format_checker

from local.settings import ROOT
from local.template import Template
from tests.producer.conftest import URL, FakeSqs, client_error, raising
from tests.support.queue import is_understood
from wellspring.messages import MOST_RECORDS, MOST_REVERTED, parse
from wellspring.resources import records
from wellspring_producer import Connector, InvalidRecord, NotCompleted, NotSent, Workspace
from wellspring_producer import messages as sent

SCHEMA = json.loads((ROOT / "docs/messages.schema.json").read_text())
VALIDATOR = OAS31Validator(SCHEMA, format_checker=oas31_format_checker)
CONNECTOR = "01990000-0006-7000-8000-a00000000001"
WORKSPACE = "01990000-0001-7000-8000-a00000000001"
AT = datetime(2026, 11, 23, 2, tzinfo=UTC)

texts = some.none() | some.text(max_size=510)
instants = some.datetimes(min_value=datetime(2, 1, 1), max_value=datetime(2026, 11, 1), timezones=some.just(UTC))  # noqa: DTZ001  in UTC


def check(sqs: FakeSqs) -> None:
    for entry in sqs.taken:
        body = json.loads(entry["MessageBody"])
        assert entry["MessageDeduplicationId"] == body["id"]
        assert entry["MessageGroupId"] in {CONNECTOR, WORKSPACE}
        if body["type"] == "run.completed":
            sent.RunCompleted.model_validate(body)
        if body["type"] in SCHEMA["discriminator"]["mapping"]:
            VALIDATOR.validate(body)
            assert parse(entry["MessageBody"]).id == body["id"]


@settings(deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
@given(
    named=some.lists(some.tuples(some.sampled_from(["account", "company", "people"]), some.uuids(), texts)),
    gone=some.lists(some.uuids()),
    mode=some.sampled_from(["append", "relink"]),
    direction=some.sampled_from(["input", "output"]),
    name=some.text(max_size=110),
    at=instants,
)
def test_whatever_a_run_takes_is_a_message_and_what_it_refuses_is_none(
    named: list[tuple[str, UUID, str | None]], gone: list[UUID], mode: Any, direction: Any, name: str, at: datetime
) -> None:
    sqs = FakeSqs()
    attribute = {
        record.type: next(said.name for said in record.attributes if said.required and said.kind == "text")
        for record in records()
    }
    body = {"type": "records.synced", "id": str(UUID(int=1)), "workspace_connector_id": CONNECTOR, "run": "run"}
    body |= {"direction": direction, "mode": mode, "occurred_at": "2026-05-10T08:14:22Z"}
    try:
        run = Connector(URL, CONNECTOR, sqs=sqs, progress=lambda _: None).run(
            name, mode=mode, direction=direction, occurred_at=at
        )
    except ValueError:
        # The validator's `$` passes a line feed at the end.
        plain = [{"type": "company", "id": str(UUID(int=1))}]
        assert not is_understood(body | {"run": name, "records": plain})
        return
    with suppress(NotCompleted), run:
        for type_, id_, text in named:
            try:
                run.record(type_, id_, **{attribute[type_]: text})
            except InvalidRecord:
                refused = {"type": type_, "id": str(id_), "attributes": {attribute[type_]: text}}
                assert not is_understood(body | {"records": [refused]})
        for id_ in gone:
            run.invalidate("company", id_)
    check(sqs)


def test_the_other_messages_are_what_the_schema_says() -> None:
    sqs = FakeSqs()
    connector = Connector(URL, CONNECTOR.upper(), sqs=sqs)
    ids = [
        connector.disconnect(),
        connector.revert(run="2026-11-23"),
        connector.revert(message_ids=[UUID(int=number) for number in range(1000)]),
        Workspace(URL, UUID(WORKSPACE), sqs=sqs).match([UUID(int=number) for number in range(3000)]),
    ]
    assert len(set(ids)) == 4
    assert [entry["MessageDeduplicationId"] for entry in sqs.taken] == ids
    types = [body["type"] for body in sqs.bodies]
    assert types == ["connector.disconnected", "sync.reverted", "sync.reverted", "providers.matched"]
    assert None not in [value for body in sqs.bodies for value in body.values()]
    check(sqs)
    again = FakeSqs()
    assert Connector(URL, CONNECTOR, sqs=again).disconnect(id_=ids[0]) == ids[0]
    assert again.taken[0]["MessageBody"] == sqs.taken[0]["MessageBody"]


def test_what_was_not_sent_is_told_and_not_sent_with_something_else_later(pauses: list[float]) -> None:
    refused = [raising(client_error("ServiceUnavailable", 503))] * 20
    sqs = FakeSqs(*refused)
    connector, workspace = Connector(URL, CONNECTOR, sqs=sqs), Workspace(URL, WORKSPACE, sqs=sqs)
    with pytest.raises(NotSent):
        connector.disconnect()
    with pytest.raises(NotSent):
        workspace.match([UUID(int=1)])
    connector.revert(run="2026-11-23")
    workspace.match([UUID(int=2)])
    assert [body["type"] for body in sqs.bodies] == ["sync.reverted", "providers.matched"]
    assert pauses


@pytest.mark.parametrize(
    "wrong",
    [
        {},
        {"run": "2026-11-23", "message_ids": [UUID(int=1)]},
        {"message_ids": []},
        {"message_ids": [UUID(int=number) for number in range(1001)]},
        {"run": ""},
        {"run": "a\u2028b"},
        {"message_ids": ["1"]},
    ],
    ids=lambda wrong: str(wrong)[:30],
)
def test_a_revert_names_a_run_or_up_to_a_thousand_messages(wrong: dict[str, Any]) -> None:
    sqs = FakeSqs()
    with pytest.raises(ValueError):  # noqa: PT011  each says something else
        Connector(URL, CONNECTOR, sqs=sqs).revert(**wrong)
    assert sqs.calls == []


def test_whoever_is_no_connector_sends_nothing() -> None:
    wrongs: list[Any] = ["", "acme", CONNECTOR.replace("-", ""), 7]
    for wrong in wrongs:
        with pytest.raises(ValueError, match="1 validation error"):
            Connector(URL, wrong, sqs=FakeSqs())


def test_the_package_and_the_consumer_know_the_same_limits() -> None:
    """How many there may be, how large a body is, and what records of today's types are made of."""
    queue = Template().queues["SyncQueue"].attributes
    assert (sent.MOST_RECORDS, sent.MOST_REVERTED) == (MOST_RECORDS, MOST_REVERTED)
    assert int(queue["MaximumMessageSize"]) == sent.MOST_BYTES
    for record in records():
        if of := sent.ATTRIBUTES.get(record.type):
            schema = of.json_schema()
            texts = {said.name: said.required for said in record.told if said.kind == "text"}
            assert {name: name in schema["required"] for name in schema["properties"]} == texts
