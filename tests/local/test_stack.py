"""The whole stack, as a newcomer runs it: what the README promises, from the first start to `make clean`."""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from local import demo_data
from local.demo_data import PRINCIPALS, WORKSPACES
from local.example_ids import demo_id
from local.identity import Identity
from local.queue import BUS, client
from local.settings import ROOT
from tests.local.stack_process import StackProcess, call, command_line, descendants, lives, until
from tests.local.tasks import Terminal
from tests.support.feed import upserted
from tests.support.stack import running
from tests.truth.test_ledger_events import copy_of_the_page
from wellspring.resources import ledgers

pytestmark = pytest.mark.long

KINDS = tuple(ledgers())
VISIBLE = {
    "owner": "ab",  # B through the direct membership, and both through the group
    "member": "ab",
    "guest": "a",
    "outsider": "c",
    "operator": "abc",
    "pipeline": "abc",
    "matcher": "abc",
}
# The revision's row with the transaction that wrote it, and how many messages were answered.
MADE = """
SELECT xmin::text, version_num FROM wellspring.alembic_version
UNION ALL SELECT 'messages', count(*)::text FROM wellspring.sync_messages
UNION ALL SELECT 'writes over HTTP', count(*)::text FROM wellspring.audit
"""


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StackProcess]:
    """One stack for all of this file's tests, which run in order on one worker (`--dist loadfile`)."""
    with running(tmp_path_factory.mktemp("stack"), LOCAL_VISIBILITY_TIMEOUT="1") as started:
        yield started


def expected(letters: str, kind: str) -> list[tuple[str, str, str]]:
    """Return (record, workspace connector, direction) of each row that the demo's messages make and do not end."""
    messages = list(demo_data.messages())
    gone = {each["workspace_connector_id"] for each in messages if each["type"] == "connector.disconnected"}
    return sorted(
        (record["id"], message["workspace_connector_id"], message["direction"])
        for message in messages
        if message["workspace_connector_id"][24] in letters and message["workspace_connector_id"] not in gone
        for record in message["records"]
        if record["type"] == kind
    )


def seen(stack: StackProcess, name: str, kind: str) -> list[tuple[str, str, str]]:
    return sorted(
        (
            row["relationships"][kind]["data"]["id"],
            row["relationships"]["workspace_connector"]["data"]["id"],
            row["attributes"]["direction"],
        )
        for row in stack.rows(name, kind)
    )


def synced(letter: str, number: int, *companies: str) -> dict[str, object]:
    """Return a message in which a connector of a workspace brings companies in."""
    records = [{"type": "company", "id": id_} for id_ in companies]
    return demo_data.message(str(uuid.uuid4()), demo_id("workspace_connector", letter, number), "input", records)


def foreign_message() -> dict[str, object]:
    """Return a message in which A's connector claims two companies, one of A and one of C."""
    return synced("a", 1, *(demo_id("company", letter, 1) for letter in "ac"))


# ---- the demo -----------------------------------------------------------------------------------------
def test_the_demo_has_enough_of_everything_in_both_directions() -> None:
    assert len({record for record, _, _ in expected("a", "company")}) >= 60
    for workspace in WORKSPACES:
        assert len(workspace.connectors) > 2
        assert min(len(workspace.people), len(workspace.accounts)) > 0
        for kind in KINDS:
            assert {direction for _, _, direction in expected(workspace.letter, kind)} == {"input", "output"}


def test_groups_and_choices_of_the_demo_come_over_http(stack: StackProcess) -> None:
    # Each such write leaves a row of its own; the matches are of the queue.
    written = stack.sql("SELECT resource_type FROM wellspring.audit ORDER BY pk").split()
    assert written == ["workspace_group", "workspace_group_membership", *["workspace_provider"] * 4]
    choices = {
        (
            *(each["relationships"][name]["data"]["id"] for name in ("workspace", "provider")),
            each["attributes"]["is_selected"],
        )
        for each in stack.get("/v1/workspace-providers", "pipeline").json["data"]
    }
    assert choices == {
        (demo_id("workspace", letter), demo_id("provider", "0", number), is_selected)
        for letter, number, is_selected in demo_data.CHOICES
    }


def test_a_fresh_stack_has_runs_that_are_whole_one_that_is_not_and_a_snapshot_that_is_held(stack: StackProcess) -> None:
    nights = stack.get("/v1/sync-runs?page[size]=100&include=workspace_connector", "pipeline").json["data"]
    states = {
        (run["relationships"]["workspace_connector"]["data"]["id"], run["attributes"]["run"]): run["attributes"]
        for run in nights
        if run["attributes"]["run"].endswith("-nightly")
    }
    assert states.keys() == {(run.connector, run.name) for run in demo_data.runs()}
    mail_of_b = states.pop((demo_id("workspace_connector", "b", 2), "2026-05-10-nightly"))
    crm_of_a = states.pop((demo_id("workspace_connector", "a", 4), "2026-05-11-nightly"))
    assert {attributes["state"] for attributes in states.values()} == {"complete"}
    assert (mail_of_b["state"], mail_of_b["messages_expected"], mail_of_b["messages_parked"]) == ("incomplete", 2, 1)
    assert crm_of_a["state"] == "incomplete"
    assert crm_of_a["snapshot"]["endings"] == [{"type": "company", "records": 72, "live": 72}]


# ---- reading ------------------------------------------------------------------------------------------
def test_stack_json_says_where_everything_is(stack: StackProcess) -> None:
    assert stack.facts.keys() == {
        *("api_url", "database_url", "issuer", "sqs_endpoint_url", "s3_endpoint_url", "bucket"),
        *("queue_url", "dlq_url", "feed_queue_url", "feed_dlq_url", "events_queue_url"),
    }
    assert {(stack.state / name).stat().st_mode & 0o777 for name in ("stack.json", "identity/key.pem")} == {0o600}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", PRINCIPALS)
def test_a_list_shows_exactly_the_rows_the_caller_may_see(stack: StackProcess, name: str, kind: str) -> None:
    assert seen(stack, name, kind) == expected(VISIBLE[name], kind)


# ---- the printed commands -----------------------------------------------------------------------------
def test_the_three_printed_commands_work_when_pasted(stack: StackProcess) -> None:
    if not shutil.which("curl"):
        pytest.skip("there is no curl")
    assert until(lambda: stack.output.count("\n# ") == 3)
    pasted = [block.partition("\n")[2] for block in stack.output.split("\n# ")[1:]]
    before = seen(stack, "owner", "company")

    def paste(command: str) -> str:
        return stack.typed("sh", "-c", command).stdout

    listing = json.loads(paste(pasted[0]))
    assert len(listing["data"]) == 3
    assert {resource["type"] for resource in listing["included"]} == {"company"}
    assert "<MessageId>" in paste(pasted[1])
    assert until(lambda: len(seen(stack, "owner", "company")) == len(before) + 1)
    (newest,) = json.loads(paste(pasted[2]))["data"]
    assert newest["id"] not in {row["id"] for row in listing["data"]}
    # A second paste is another message.
    paste(pasted[1])
    assert until(lambda: len(seen(stack, "owner", "company")) == len(before) + 2)


def make(stack: StackProcess, *arguments: str) -> subprocess.CompletedProcess[str]:
    return stack.typed("make", "--silent", *arguments)


# ---- messages that cannot succeed ---------------------------------------------------------------------
def parked(stack: StackProcess, message: dict[str, object]) -> str:
    """Return the outcome and reason of a message as the database has them; empty where it has none."""
    asked = f"SELECT outcome, reason FROM wellspring.sync_messages WHERE message_id = '{message['id']}'"
    return stack.sql(asked).strip()


def test_a_message_with_a_foreign_record_is_parked_and_told_and_changes_nothing(stack: StackProcess) -> None:
    before = {kind: seen(stack, "pipeline", kind) for kind in KINDS}
    letters = stack.dead_letters()
    message = foreign_message()
    stack.send(message)
    # Another connector is not held up by it.
    stack.send(synced("c", 1, demo_id("company", "c", 1)))
    assert until(lambda: len(seen(stack, "pipeline", "company")) == len(before["company"]) + 1, 5)
    assert until(lambda: parked(stack, message) == "parked|tenant_mismatch")
    after = {kind: seen(stack, "pipeline", kind) for kind in KINDS}
    after["company"].remove((demo_id("company", "c", 1), demo_id("workspace_connector", "c", 1), "input"))
    assert after == before
    assert stack.dead_letters() == letters
    # Which message and why: in the consumer's log, and in one line of the terminal.
    log = (stack.state / "logs" / "functions.log").read_text()
    lines = [json.loads(line) for line in log.splitlines() if str(message["id"]) in line]
    assert [line["outcome"] for line in lines if "outcome" in line] == ["parked"]
    assert until(lambda: f"parked: message {message['id']}" in stack.output)
    (told,) = [line for line in stack.output.splitlines() if str(message["id"]) in line]
    assert all(demo_id("company", "c", 1) in said for said in (json.dumps(lines), told))


def test_make_slow_shows_requests_by_the_ids_of_the_log_and_no_query(stack: StackProcess) -> None:
    asked = stack.get("/v1/company-workspace-connectors?page[size]=3", "owner").headers["apigw-requestid"]
    log = (stack.state / "logs" / "access.log").read_text().splitlines()
    (line,) = (json.loads(line) for line in log if asked in line)
    assert 0 < int(line["function_milliseconds"]) <= int(line["milliseconds"])
    assert "page" not in json.dumps(line)
    shown = [row.split()[-1] for row in make(stack, "slow").stdout.splitlines()[1:]]
    assert shown
    assert all(any(id_ in line for line in log) for id_ in shown)


def test_a_message_whose_record_comes_later_is_applied_by_itself(stack: StackProcess) -> None:
    record = str(uuid.uuid4())
    message = synced("c", 2, record)
    stack.send(message)
    assert until(lambda: parked(stack, message) == "parked|unknown_record")
    # Long after the message is done, so that what settles each minute must find it again.
    time.sleep(10)
    told = upserted("company", record, workspace_id=demo_id("workspace", "c"), name="Came late")
    stack.sqs(stack.facts["feed_queue_url"], "SendMessage", MessageBody=json.dumps(told))
    assert until(lambda: parked(stack, message) == "applied|", 150)
    rows = stack.get(f"/v1/company-workspace-connectors?filter[company]={record}&include=sync_message", "pipeline").json
    (row,), (wrote,) = rows["data"], rows["included"]
    assert row["relationships"]["sync_message"]["data"] == {"type": "sync_message", "id": wrote["id"]}
    assert wrote["attributes"]["message_id"] == message["id"]
    assert wrote["attributes"]["counts"] == {"company": {"named": 1, "made": 0, "linked": 1, "ended": 0}}


def test_make_release_tries_parked_messages_again_and_says_how_many_it_released(stack: StackProcess) -> None:
    record, connector = str(uuid.uuid4()), demo_id("workspace_connector", "c", 1)
    message, waiting = foreign_message(), synced("c", 1, record)
    for each in (message, waiting):
        stack.send(each)
    assert until(lambda: parked(stack, waiting) == "parked|unknown_record")
    assert until(lambda: parked(stack, message) == "parked|tenant_mismatch")

    def release(*arguments: str) -> str:
        return make(stack, "release", *arguments).stdout

    chosen = (f"CONNECTOR={connector}", "REASON=unknown_record")
    assert release("DRY_RUN=1", *chosen) == "1 parked message would be tried again\n"
    assert release(*chosen) == "0 of 1 parked message released\n"
    # A reason alone chooses among the messages of all connectors.
    assert release("REASON=malformed", "DRY_RUN=1") == "0 parked messages would be tried again\n"
    # What settles each minute needs the feed to bring the record; here it is there before that comes round.
    made = f"INSERT INTO core_api.companies (id, name, workspace_pk) SELECT '{record}', 'Came late', workspace_pk"
    made += f" FROM core_api.workspace_connectors WHERE id = '{connector}'"
    assert stack.run("psql", "-c", made).returncode == 0
    assert re.fullmatch(r"1 of ([2-9]|\d\d+) parked messages released\n", release())
    assert (parked(stack, waiting), parked(stack, message)) == ("applied|", "parked|tenant_mismatch")
    # A snapshot that would end too much is released by its id, or not at all.
    assert "release it by its id" in make(stack, "release", "REASON=too_many_endings").stderr
    assert make(stack, "recount").stdout.endswith("(0 rows)\n\n")


# ---- the first load -----------------------------------------------------------------------------------
def test_a_file_with_lines_that_are_rejected_is_loaded_and_says_which(stack: StackProcess, tmp_path: Path) -> None:
    good = upserted("workspace", uuid.uuid4())
    file = tmp_path / "faulty.jsonl"
    file.write_text(f"{json.dumps(good)}\nno event\n")
    done = stack.run("load", str(file))
    summary = json.loads(done.stdout)
    assert done.returncode == 1
    assert (summary["outcome"], summary["applied"], summary["rejected"]) == ("done", 1, 1)
    assert done.stderr.strip() == f"1 rejected and 0 parked of 2 lines: {summary['rejects']} says which, and why"
    (reject,) = Path(summary["rejects"]).read_text().splitlines()
    assert json.loads(reject)["line"] == 2


# ---- what is rare on a laptop -------------------------------------------------------------------------
def test_a_paused_database_is_503_until_it_is_resumed(stack: StackProcess) -> None:
    path = "/v1/company-workspace-connectors"
    assert stack.get(path, "owner").status == 200
    paused = make(stack, "pause-db")
    try:
        assert (paused.returncode, paused.stderr) == (0, "")
        assert "make resume-db" in paused.stdout
        answer = stack.get(path, "owner")
        assert (answer.status, answer.json["errors"][0]["code"]) == (503, "SERVICE_UNAVAILABLE")
        assert int(answer.headers["retry-after"]) > 0
        assert stack.get("/health").status == 503
        assert stack.run("psql", "-Atc", "SELECT 1").stdout == "1\n"
    finally:
        resumed = make(stack, "resume-db")
    assert (resumed.returncode, resumed.stderr) == (0, "")
    assert stack.get(path, "owner").status == 200
    # An environment that waited in vain answers 503 by itself for the time that Retry-After names.
    assert until(lambda: stack.get("/health").status == 200)


@pytest.mark.parametrize("page", ["a-customer-leaves", "a-person-asks", "a-person-is-forgotten"])
def test_what_a_page_of_duties_says_for_a_laptop_works_when_pasted(
    stack: StackProcess, tmp_path: Path, page: str
) -> None:
    text = (ROOT / f"docs/{page}.md").read_text()
    fences = re.findall(r"^```(\w*)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    blocks = [block for language, block in fences if not language]
    questions = re.findall(r"^\| [^|]*\? \| `(ask '[^']+')` \|$", text, re.MULTILINE)
    typed = "\n".join([*blocks[:1], *(f"{each} | grep -q jsonapi" for each in questions[:1]), *blocks[1:]])
    typed = typed.replace("http://127.0.0.1:3000", stack.facts["api_url"]).replace("ledger.jsonl", f"{tmp_path}/ledger")
    done = stack.typed("bash", "-ec", typed)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count('"applied": 1') == typed.count("make --silent load")
    # The next export into the same file is of its own moment.
    kept = client(stack.facts["s3_endpoint_url"], "s3").list_objects_v2(Bucket=stack.facts["bucket"], Prefix="exports/")
    assert "Contents" not in kept


def test_every_task_of_the_page_is_one_command_that_does_it(stack: StackProcess, tmp_path: Path) -> None:
    Terminal(stack, tmp_path).do_all()


# ---- events out ---------------------------------------------------------------------------------------
def test_what_happens_comes_to_the_events_queue_and_a_copy_by_the_page_is_right(stack: StackProcess) -> None:
    sqs, url = client(stack.facts["sqs_endpoint_url"]), stack.facts["events_queue_url"]
    token = Identity(stack.state, 0).token_of_service("copier", "system:read")
    copy, listed = copy_of_the_page(), copy_of_the_page()
    copy.begin(stack.facts["api_url"], token)
    connector = demo_id("workspace_connector", "c")
    assert connector not in copy.unwell()
    stack.send(synced("c", 1, str(uuid.uuid4())))

    def follows() -> bool:
        for message in sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages", []):
            copy.take(message["Body"])
            sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
        return connector in copy.unwell()

    assert until(follows)
    listed.begin(stack.facts["api_url"], token)
    assert copy.unwell() == listed.unwell()


def test_make_events_out_shows_what_happens_as_it_does_and_leaves_nothing_behind(stack: StackProcess) -> None:
    events = client(stack.facts["sqs_endpoint_url"], "events")

    def rules() -> int:
        return len(events.list_rules(EventBusName=BUS)["Rules"])

    before = rules()
    command = [sys.executable, "-m", "local", "events-out"]
    following = subprocess.Popen(command, cwd=ROOT, env=stack.environment, stdout=subprocess.PIPE, text=True)
    try:
        assert following.stdout is not None
        assert until(lambda: rules() > before)
        stack.send(foreign_message())
        line = next(line for line in following.stdout if "parked" in line)
        # That the record is another tenant's is nobody else's to know.
        assert re.fullmatch(
            r"[\d:.]{12}Z  sync_message\.parked  message_type=records\.synced  reason=unknown_record"
            r"  /v1/sync-messages/[\da-f-]{36}\n",
            line,
        )
        following.send_signal(signal.SIGINT)
        assert following.wait(30) == 0
        assert rules() == before
    finally:
        following.kill()
        following.communicate()


def test_the_root_and_the_docs_with_a_slash_lead_a_browser_to_a_page(stack: StackProcess) -> None:
    for path in ("/", "/docs/"):
        # As a browser asks: it follows the redirect, and the page is sent packed only.
        page = call(stack.facts["api_url"] + path, headers={"accept-encoding": "gzip"})
        assert page.status == 200
        assert page.headers["content-type"] == "text/html; charset=utf-8"


# ---- stopping and starting; these come last ------------------------------------------------------------
def ids(stack: StackProcess) -> dict[str, set[str]]:
    """Return the ids of all rows of each kind."""
    return {kind: {row["id"] for row in stack.rows("pipeline", kind)} for kind in KINDS}


def test_a_restart_keeps_everything_and_adds_nothing(stack: StackProcess) -> None:
    token = stack.token("pipeline")
    rows, letters, made, issuer = ids(stack), stack.dead_letters(), stack.sql(MADE), stack.facts["issuer"]
    below = stack.below
    assert stack.stop(signal.SIGINT) == 0
    assert stack.output.rstrip().endswith("stopped")
    assert not stack.is_ready
    assert len(below) > 3
    assert not [pid for pid in below if lives(pid)]

    stack.settings["PORT"] = issuer.rpartition(":")[2].partition("/")[0]
    stack.start()
    # Nothing was migrated again, and nothing of the demo was sent again.
    assert made.count("\n") == 3
    assert stack.sql(MADE) == made
    assert "waiting for the " not in stack.output
    assert (ids(stack), stack.dead_letters()) == (rows, letters)
    # On the same port, a token that was made before the restart is still good.
    assert stack.facts["issuer"] == issuer
    assert call(stack.facts["api_url"] + "/v1/people-workspace-connectors", token=token).status == 200


def test_when_it_is_killed_everything_dies_with_it_and_it_starts_again(stack: StackProcess) -> None:
    below = stack.below
    assert len(below) > 3
    stack.stop(signal.SIGKILL)
    assert until(lambda: not any(map(lives, below)), 10)
    assert stack.is_ready
    for command in ("redrive", "release", "psql"):
        refused = stack.run(command)
        assert (refused.returncode, refused.stdout) == (1, "")
        assert refused.stderr == "the stack is not running; `make run` starts it\n"
    (stack.state / "stack.json").unlink()
    stack.start()
    assert stack.get("/health").status == 200


def test_whoever_can_connect_finds_everything_ready(stack: StackProcess) -> None:
    url = stack.facts["api_url"]
    stack.settings["PORT"] = url.rpartition(":")[2]
    assert stack.stop() == 0
    assert stack.run("clean").returncode == 0
    process = stack.spawn()

    def listens() -> bool:
        assert process.poll() is None, stack.output
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", int(stack.settings["PORT"]))) == 0

    assert until(listens, 60)
    assert call(f"{url}/health").status == 200
    assert until(lambda: stack.is_ready)
    assert {kind: seen(stack, "pipeline", kind) for kind in KINDS} == {kind: expected("abc", kind) for kind in KINDS}


def test_make_run_that_is_killed_takes_the_stack_along(stack: StackProcess) -> None:
    assert stack.stop() == 0
    # The shell stands in for make: it waits for the stack and is killed.
    shell = stack.spawn("/bin/sh", "-c", '"$@"; exit $?', "make")
    assert until(lambda: stack.is_ready, 60)
    below = descendants(shell.pid)
    assert len(below) > 4
    shell.kill()
    shell.wait()
    assert until(lambda: not any(map(lives, below)))
    assert stack.output.rstrip().endswith("stopped")
    stack.start()


def test_the_stack_outlives_a_restart_of_its_postgres(stack: StackProcess) -> None:
    url, token, before = stack.facts["database_url"], stack.token("pipeline"), ids(stack)
    # Before the processes that it has started itself.
    os.kill(next(pid for pid in stack.below if "postgres" in command_line(pid)), signal.SIGQUIT)
    assert until(lambda: "Postgres is back" in stack.output)
    # At the same place, with all that it held; a worker's connection that broke is no answer's business.
    assert stack.facts["database_url"] == url
    assert call(stack.facts["api_url"] + "/v1/people-workspace-connectors", token=token).status == 200
    assert ids(stack) == before


def test_a_part_that_dies_takes_the_stack_down_with_one_line(stack: StackProcess) -> None:
    os.kill(next(pid for pid in stack.below if "sqs_server" in command_line(pid)), signal.SIGKILL)
    assert stack.process is not None
    assert stack.process.wait(20) == 1
    assert stack.output.splitlines()[-1].startswith("the queue server ended by itself")
    assert "Traceback" not in stack.output


def test_a_stop_while_starting_is_clean(stack: StackProcess) -> None:
    stack.spawn()
    assert until(lambda: "migrating" in stack.output)
    assert stack.stop() == 0
    assert "Traceback" not in stack.output


def test_cleaned_it_is_forgotten(stack: StackProcess) -> None:
    assert stack.run("clean").returncode == 0
    assert not stack.state.exists()
