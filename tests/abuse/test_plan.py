"""The harness's plan has something of everything."""

from collections import Counter

from tests.abuse.ledger import populate
from tests.abuse.plan import Author
from tests.support.databases import CONSUMER, FreshDatabase
from wellspring import messages


def test_messages_of_every_type_are_sent_poisoned_in_every_way_and_again_with_the_same_id(
    fresh_database: FreshDatabase,
) -> None:
    fresh_database.role = CONSUMER
    cast = populate(fresh_database.url)
    sends = Author(1, cast).write(20_000)
    known = messages.schema()["discriminator"]["mapping"].keys()
    assert {send.body["type"] for send in sends if send.body} == known
    assert {send.reason for send in sends if send.body is None} == {
        "malformed",
        "unknown_connector",
        "unknown_record",
        "unknown_workspace",
        "unknown_provider",
        "tenant_mismatch",
        "wrong_group",
        "reused_id",
        "reverted_run",
    }
    assert {"attributes" in record for send in sends if send.body for record in send.body.get("records", [])} == {
        True,
        False,
    }
    reverts = [send.body for send in sends if send.body and send.body["type"] == "sync.reverted"]
    assert {"run" in body for body in reverts} == {True, False}
    times = Counter((send.group, send.id) for send in sends if send.body)
    assert max(times.values()) > 1
