"""Audit of writes over HTTP: one row for each, in its transaction, which no function can change."""

import re
import subprocess
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import select, text
from sqlalchemy.exc import DatabaseError

from local.settings import ROOT
from tests.support.api import ANONYMOUS, MATCHER, PIPELINE, call, draft, get, post
from tests.support.databases import WRITER, Database
from tests.support.tenants import Tenant
from tests.support.world import World
from tests.writing.conftest import CHOICES, COMPANIES, ENROLMENTS, GROUPS, group_of, identifier
from wellspring.models.infrastructure import audit
from wellspring.observability import fingerprint

type Noted = list[tuple[str, str, str, UUID]]


def noted(database: Database) -> Noted:
    """Return caller, operation, type and id of each row, in their order."""
    columns = (audit.c.caller, audit.c.operation, audit.c.resource_type, audit.c.resource_id)
    return [tuple(row) for row in database.owner.execute(select(*columns).order_by(audit.c.pk))]


def test_what_is_refused_for_a_foreign_tenant_leaves_no_row(
    database: Database, world: World, ours: Tenant, theirs: Tenant
) -> None:
    choice = world.choose(theirs.workspace, world.provider("stripe"))
    assert call("DELETE", f"{CHOICES}/{choice.id}", ours.caller).status == 404
    mixed = ours.draft()
    mixed["data"]["relationships"]["company"] = {"data": identifier(theirs.records["company"])}
    assert post(COMPANIES, PIPELINE, mixed).status == 409
    assert noted(database) == []


def test_a_creation_a_change_and_a_deletion_leave_a_row_each(database: Database, ours: Tenant) -> None:
    made = post(COMPANIES, PIPELINE, ours.draft()).data["id"]
    url = f"{COMPANIES}/{made}"
    ended: Any = draft("company_workspace_connector", {"deleted_at": None}, made)
    # It is no change: the row lives.
    assert call("PATCH", url, PIPELINE, ended).status == 200
    assert call("DELETE", url, PIPELINE, headers={"if-match": '"stale"'}).status == 412
    assert call("DELETE", url, PIPELINE).status == 204
    assert call("PATCH", url, PIPELINE, ended).status == 200
    caller = f"service:{(PIPELINE.claims or {})['sub']}"
    assert noted(database) == [
        (caller, operation, "company_workspace_connector", UUID(made)) for operation in ("create", "delete", "update")
    ]


def workspaces(database: Database) -> list[int | None]:
    """Return the workspace of each row, in their order."""
    return list(database.owner.execute(select(audit.c.workspace_pk).order_by(audit.c.pk)).scalars())


def test_each_row_says_of_which_workspace_the_write_was(database: Database, world: World, ours: Tenant) -> None:
    made = post(COMPANIES, PIPELINE, ours.draft()).data["id"]
    assert call("DELETE", f"{COMPANIES}/{made}", PIPELINE).status == 204
    choice = draft("workspace_provider", provider=world.provider("stripe"))
    chosen = post(ours.providers, ours.caller, choice).data["id"]
    assert call("DELETE", f"{CHOICES}/{chosen}", ours.caller).status == 204
    assert workspaces(database) == [ours.workspace.pk] * 4
    # A group is of no workspace.
    assert post(GROUPS, ours.caller, group_of()).status == 201
    assert workspaces(database)[4:] == [None]


def test_a_workspace_that_another_withdrew_from_their_group_has_a_row_of_it(
    database: Database, world: World, ours: Tenant, theirs: Tenant
) -> None:
    group = world.group(theirs.owner)
    world.group_member(theirs.owner, group, role="owner")
    enrolled = world.enrol(group, ours.workspace, ours.owner)
    assert call("DELETE", f"{ENROLMENTS}/{enrolled.id}", theirs.caller).status == 204
    assert workspaces(database) == [ours.workspace.pk]


def test_an_answer_that_comes_again_is_no_second_write(database: Database, world: World, ours: Tenant) -> None:
    document = draft("workspace_provider", provider=world.provider("stripe"))
    for _ in range(2):
        assert call("POST", ours.providers, MATCHER, document, headers={"idempotency-key": "once"}).status == 201
    assert len(noted(database)) == 1


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT caller FROM wellspring.audit",
        (
            "INSERT INTO wellspring.audit (caller, operation, resource_type, resource_id, created_at) "
            "VALUES ('a', 'create', 'company', '3fa85f64-5717-4562-b3fc-2c963f66afa6', '2026-01-01')"
        ),
    ],
)
def test_who_writes_can_neither_read_nor_predate_a_row(database: Database, statement: str) -> None:
    """Nor change one: tests/schema/test_catalogue.py."""
    database.role = WRITER
    with database.connection() as held, pytest.raises(DatabaseError, match="42501"), held.begin():
        held.execute(text(statement))


def test_the_log_names_the_caller_of_every_answer_by_one_hash(
    ours: Tenant, theirs: Tenant, log: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    for key in ("one", "other"):
        monkeypatch.setenv("CALLER_HASH_KEY", key)
        for caller in (ours.caller, theirs.caller):
            assert post(COMPANIES, caller, ours.draft()).status == 403
            assert call("GET", COMPANIES, caller).status == 200
        assert post(COMPANIES, ANONYMOUS, ours.draft()).status == 401
    lines = [line.get("caller") for line in log if line["message"] == "answered"]
    first, second, third, fourth = lines[0], lines[2], lines[5], lines[7]
    assert lines == [first, first, second, second, None, third, third, fourth, fourth, None]
    assert len({first, second, third, fourth}) == 4


def test_the_guides_requests_tell_who_changed_a_row_and_what_a_leaked_token_wrote(ours: Tenant) -> None:
    guide = (ROOT / "docs" / "operations.md").read_text().partition("### Who did it\n")[2]
    asked = dict(re.findall(r"^\| (who|what) [^|]* \| `(/v1/audit-entries[^`]+)` \|$", guide, re.MULTILINE)[:2])
    made = post(COMPANIES, PIPELINE, ours.draft()).data["id"]
    assert call("DELETE", f"{COMPANIES}/{made}", PIPELINE).status == 204
    assert len(asked) == 2
    subject = (PIPELINE.claims or {})["sub"]
    assert "sync-pipeline" in asked["what"]
    for url in (asked["who"].replace("ID", made), asked["what"].replace("sync-pipeline", str(subject))):
        told = [item["attributes"] for item in get(url, PIPELINE).data]
        assert [(each["service"], each["operation"], each["resource"]["id"]) for each in told] == [
            (subject, operation, made) for operation in ("delete", "create")
        ]


def test_the_guides_command_computes_the_hash_that_the_log_has(monkeypatch: pytest.MonkeyPatch) -> None:
    guide = (ROOT / "docs" / "operations.md").read_text().partition("### Who did it\n")[2]
    (command,) = re.findall(r"```sh\n(.*?)```", guide, re.DOTALL)[:1]
    asked = re.search(r'"\$\(aws .*?\)"', command, re.DOTALL)
    assert asked is not None
    stack = "arn:aws:cloudformation:eu-central-1:123456789012:stack/wellspring/0a1b2c3d"
    monkeypatch.setenv("CALLER_HASH_KEY", stack)
    done = subprocess.run(
        ["sh", "-c", command.replace(asked[0], stack)], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.strip() == fingerprint("service:sync-pipeline")
