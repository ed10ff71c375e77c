"""The migration function, from CloudFormation's event to its answer, on a database as RDS hands it over."""

import importlib
import re
import socket
from typing import Any

import pytest
from botocore.exceptions import ClientError

from local.postgres import Cluster
from local.template import Template
from migrations import limits
from migrations.run import ROLES
from tests.deployment.conftest import DATABASE
from tests.support.api import Context
from tests.support.databases import engine_for
from tests.support.deployment import CloudFormation
from tests.support.events import event
from wellspring.database import engine
from wellspring.services import migration
from wellspring.settings import Settings, settings

REPLAYED = ("schema_migrate", "schema_migrate_by_hand")
NEWEST = "SELECT max(version_num) FROM wellspring.alembic_version"


def migrate(cloudformation: CloudFormation, **changes: Any) -> dict[str, Any]:
    """Send the event, changed a little, and return the answer that CloudFormation got."""
    sent = event("schema_migrate") | {"ResponseURL": cloudformation.url} | changes
    importlib.import_module("schema.migrate").handler(sent, Context())
    return cloudformation.answers[-1]


def ask(rds: Cluster, sql: str) -> Any:
    engine = engine_for(rds.url(DATABASE))
    with engine.connect() as owner:
        found = owner.exec_driver_sql(sql).scalar_one_or_none()
    engine.dispose()
    return found


def tell(rds: Cluster, sql: str) -> None:
    engine = engine_for(rds.url(DATABASE))
    with engine.begin() as owner:
        owner.exec_driver_sql(sql)
    engine.dispose()


pytestmark = pytest.mark.usefixtures("environment")
not_for_the_first_time = pytest.mark.parametrize("rds", ["migrated"], indirect=True)


def test_the_first_deployment_makes_the_schema_and_answers_the_question_with_its_revision(
    rds: Cluster, cloudformation: CloudFormation
) -> None:
    answer = migrate(cloudformation)
    assert answer["Status"] == "SUCCESS"
    assert answer["Data"] == {"Revision": ask(rds, NEWEST)}
    of_the_question = ("StackId", "RequestId", "LogicalResourceId")
    assert [answer[name] for name in of_the_question] == [event("schema_migrate")[name] for name in of_the_question]
    # The URL is signed for none.
    assert cloudformation.content_types == [""]
    assert ask(rds, "SELECT count(*) FROM core_api.workspace_providers") == 0
    # The functions' roles may sign in with IAM, and have no password.
    members = "SELECT string_agg(member::regrole::text, ' ' ORDER BY member::regrole::text) FROM pg_auth_members"
    assert ask(rds, f"{members} WHERE roleid = 'rds_iam'::regrole AND member <> current_user::regrole") == (
        " ".join(sorted(ROLES))
    )
    assert not rds._execute(
        f"SELECT rolname FROM pg_authid WHERE rolname ~ '^({'|'.join(ROLES)})$' AND rolpassword IS NOT NULL"
    )


@not_for_the_first_time
def test_the_owner_is_let_in_with_a_token_when_rds_takes_no_password_any_more(
    rds: Cluster, cloudformation: CloudFormation, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = migrate(cloudformation)["PhysicalResourceId"]
    # Postgres counts whoever made a role to its members, whatever the membership is good for.
    assert ask(rds, "SELECT pg_has_role(current_user, 'wellspring_reader', 'MEMBER')")
    real = engine._password
    monkeypatch.setattr(
        "wellspring.database.engine._password", lambda config: rds.password if config.db_auth == "iam" else "changed"
    )
    assert migrate(cloudformation, RequestType="Update")["Status"] == "SUCCESS"
    monkeypatch.setattr("wellspring.database.engine._password", real)
    updated = migrate(cloudformation, RequestType="Update", PhysicalResourceId=first)
    # With another physical id, CloudFormation would delete the first.
    assert (updated["Status"], updated["PhysicalResourceId"]) == ("SUCCESS", first)


# What a policy says that has not gone round yet: of the endpoint, and of the role.
UNKNOWN_SECRET = ClientError({"Error": {"Code": "AccessDeniedException"}}, "GetSecretValue")


@not_for_the_first_time
@pytest.mark.parametrize("secret", [UNKNOWN_SECRET, "not the password"], ids=["endpoint", "role"])
def test_an_owner_who_is_not_let_in_yet_is_waited_for(
    rds: Cluster, cloudformation: CloudFormation, monkeypatch: pytest.MonkeyPatch, secret: ClientError | str
) -> None:
    """A restore calls moments after role and endpoint were told of the new database."""
    pauses: list[float] = []

    def password(config: Settings) -> str:
        if len(pauses) == 3:
            return rds.password
        if config.db_auth == "secret" and isinstance(secret, ClientError):
            raise secret
        return "not the password"

    monkeypatch.setattr("wellspring.database.engine._password", password)
    monkeypatch.setattr(migration, "sleep", pauses.append)
    assert migrate(cloudformation)["Status"] == "SUCCESS"
    assert len(pauses) == 3


def test_an_owner_who_is_never_let_in_is_answered(
    cloudformation: CloudFormation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("wellspring.database.engine._password", lambda _config: "not the password")
    monkeypatch.setattr(limits, "WAIT_TO_BE_LET_IN_SECONDS", 0)
    assert migrate(cloudformation)["Status"] == "FAILED"


@not_for_the_first_time
def test_whoever_calls_by_hand_is_told_at_once(rds: Cluster) -> None:
    handler = importlib.import_module("schema.migrate").handler
    first = handler(event("schema_migrate_by_hand"), Context())
    assert first == {"Status": "SUCCESS", "Data": {"Revision": ask(rds, NEWEST)}}
    tell(rds, "UPDATE wellspring.alembic_version SET version_num = 'of_a_later_release'")
    assert handler(event("schema_migrate_by_hand"), Context())["Data"] == {"Revision": "of_a_later_release"}
    failed = handler({}, Context())
    assert (failed["Status"], sorted(failed)) == ("FAILED", ["Reason", "Status"])


@pytest.mark.long
def test_the_owners_chores_need_no_psql(rds: Cluster) -> None:
    """CloudShell in a VPC cannot upload, and forgets its files (AWS CloudShell user guide, "in Amazon VPC")."""
    handler = importlib.import_module("schema.migrate").handler
    handler({"RequestType": "Update"}, Context())
    first = ask(rds, "SELECT key FROM wellspring.cursor_keys")
    assert handler({"Chore": "RotateCursorKey"}, Context()) == {"Status": "SUCCESS", "Data": {"CursorKeys": 2}}
    newest = ask(rds, "SELECT key FROM wellspring.cursor_keys ORDER BY pk DESC LIMIT 1")
    assert len(newest) == 32
    assert newest != first
    # Somebody may hold a cursor of the old one for a day.
    assert handler({"Chore": "ForgetCursorKeys"}, Context())["Data"] == {"CursorKeys": 2}
    tell(rds, "UPDATE wellspring.cursor_keys SET created_at = now() - interval '25 hours'")
    assert handler({"Chore": "ForgetCursorKeys"}, Context())["Data"] == {"CursorKeys": 1}
    assert ask(rds, "SELECT key FROM wellspring.cursor_keys") == newest
    # The one that signs stays, however old it is.
    assert handler({"Chore": "ForgetCursorKeys"}, Context())["Data"] == {"CursorKeys": 1}
    sizes = handler({"Chore": "Sizes"}, Context())["Data"]
    # Nothing of that id is there.
    unknown = {"Chore": "GiveUpId", "Type": "company", "Id": "01990000-0003-7000-8000-a00000000001"}
    assert handler(unknown, Context())["Data"] == {"GivenUp": 0}
    assert sizes["core_api.company_workspace_connectors"].keys() == {"Rows", "DeadRows", "Bytes"}
    for no_chore in ({"Chore": "DropEverything"}, {"Chore": "GiveUpId", "Type": "company"}):
        assert handler(no_chore, Context())["Status"] == "FAILED"


@not_for_the_first_time
@pytest.mark.parametrize("answers", [True, False])
def test_where_there_is_no_secret_no_token_is_tried_and_a_server_that_does_not_answer_is_asked_once(
    rds: Cluster, cloudformation: CloudFormation, monkeypatch: pytest.MonkeyPatch, *, answers: bool
) -> None:
    asked: list[str] = []

    def noting(config: Settings) -> str:
        asked.append(config.db_auth)
        return rds.password

    monkeypatch.setattr("wellspring.database.engine._password", noting)
    if answers:
        monkeypatch.setenv("DB_AUTH", "password")
    else:
        with socket.create_server(("127.0.0.1", 0)) as taken:
            monkeypatch.setenv("DB_PORT", str(taken.getsockname()[1]))
    settings.cache_clear()
    assert migrate(cloudformation)["Status"] == ("SUCCESS" if answers else "FAILED")
    assert (set(asked) == {"password"}) if answers else (asked == ["iam"])


def test_deleting_the_resource_needs_no_database_and_leaves_it_alone(
    rds: Cluster, cloudformation: CloudFormation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DB_HOST", "nowhere.invalid")
    settings.cache_clear()
    assert migrate(cloudformation, RequestType="Delete")["Status"] == "SUCCESS"


@not_for_the_first_time
def test_a_failure_is_answered_and_says_nothing_of_the_database(
    rds: Cluster, cloudformation: CloudFormation, log: list[dict[str, Any]]
) -> None:
    rds._execute("ALTER ROLE rds_iam RENAME TO rds_away")
    answer = migrate(cloudformation)
    rds._execute("ALTER ROLE rds_away RENAME TO rds_iam")
    assert answer["Status"] == "FAILED"
    assert "log stream" in answer["Reason"]
    (line,) = (line for line in log if line["level"] == "ERROR")
    assert (line["message"], line["sqlstate"]) == ("migration failed", "42704")
    for said in (answer["Reason"], str(line)):
        assert "GRANT" not in said
        assert rds.password not in said


@pytest.mark.long
def test_a_failed_revision_is_rolled_back_and_the_next_deployment_goes_on(
    rds: Cluster, cloudformation: CloudFormation
) -> None:
    # Somebody made a table by hand that a revision makes too.
    tell(rds, "CREATE SCHEMA wellspring")
    tell(rds, "CREATE TABLE wellspring.sync_inbox ()")
    assert migrate(cloudformation)["Status"] == "FAILED"
    reached = ask(rds, NEWEST)
    tell(rds, "DROP TABLE wellspring.sync_inbox")
    answer = migrate(cloudformation)
    assert answer["Status"] == "SUCCESS"
    assert answer["Data"]["Revision"] > reached


@pytest.mark.long
def test_another_migration_that_does_not_end_is_answered(
    rds: Cluster, cloudformation: CloudFormation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "WAIT_FOR_ANOTHER_MIGRATION_SECONDS", 0)
    engine = engine_for(rds.url(DATABASE))
    with engine.connect() as other:
        other.exec_driver_sql("SELECT pg_advisory_lock(%s)", (limits.ADVISORY_LOCK,))
        answer = migrate(cloudformation)
    engine.dispose()
    assert answer["Status"] == "FAILED"


def test_an_answer_that_is_refused_is_sent_again(cloudformation: CloudFormation) -> None:
    cloudformation.failures = 2
    assert migrate(cloudformation, RequestType="Delete")["Status"] == "SUCCESS"


def test_an_answer_that_cannot_be_delivered_fails_the_function_without_its_signature(
    cloudformation: CloudFormation, log: list[dict[str, Any]]
) -> None:
    cloudformation.failures = 3
    with pytest.raises(OSError, match="could not be delivered") as caught:
        migrate(cloudformation, RequestType="Delete")
    assert "signed" not in f"{caught.value} {log}"


def test_all_that_a_migration_may_wait_for_ends_before_lambda_ends_it() -> None:
    function = Template().functions["SchemaMigrateFunction"]
    (seconds,) = re.findall(r"^(\d+)s$", limits.STATEMENT_TIMEOUT)
    waits = limits.WAIT_TO_BE_LET_IN_SECONDS + limits.WAIT_FOR_ANOTHER_MIGRATION_SECONDS
    assert waits + 5 * int(seconds) < function.timeout
    timeout = Template().resources["MigratedSchema"]["Properties"]["ServiceTimeout"]
    assert function.timeout < timeout < 3600
