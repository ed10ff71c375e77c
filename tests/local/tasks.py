"""docs/tasks.md, row by row: what is typed, and what must come of it."""

import gzip
import json
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from local import demo_data
from local.example_ids import demo_id
from local.settings import ROOT
from tests.local.stack_process import StackProcess
from tests.support.feed import upserted

PAGE = (ROOT / "docs/tasks.md").read_text()
ROWS: dict[str, str] = dict(re.findall(r"^\| ([^|]+?) \| `(.+)` \|$", PAGE, re.MULTILINE))
(SHELL,) = re.findall(r"^```bash\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
# They start a stack of their own, install a generator, or do not end: each has a test of its own.
ELSEWHERE = {
    "See what happens, as it does": (
        "local/test_stack.py::test_make_events_out_shows_what_happens_as_it_does_and_leaves_nothing_behind"
    ),
    "See a 429": (
        "local/test_gateway.py::test_beyond_its_rate_a_route_answers_429_as_the_gateway_does_and_others_are_not_held_up"
    ),
    "Let a page of another origin call": (
        "browser/test_another_origin.py::test_a_page_of_an_allowed_origin_lists_and_posts"
    ),
    "A client in TypeScript": (
        "clients/test_generated.py::test_the_typescript_client_compiles_strictly_walks_creates_and_understands_refusals"
    ),
    "A client in Python": (
        "clients/test_generated.py::test_the_python_client_passes_mypy_walks_creates_and_understands_refusals"
    ),
}
SECONDS = 30.0
# Half a second of each row; the first one types it.
TOKEN = '$(make --silent token AS="${WHO:-owner}")'

type Check = Callable[[Any], bool]


def _names(document: Any) -> set[str]:
    return {each["attributes"].get("name") for each in (*document["data"], *document.get("included", ()))}


def _providers(document: Any) -> set[str]:
    return {each["relationships"]["provider"]["data"]["id"] for each in document["data"]}


def _each(document: Any, *names: str) -> list[tuple[Any, ...]]:
    return [tuple(each["attributes"][name] for name in names) for each in document["data"]]


STRIPE = demo_id("provider", "0", 47)
# What the answer must show; of what is sent without an answer, what comes of it is seen in the row after it.
CHECKS: Mapping[str, Check] = {
    "Did everything sync?": lambda said: len(said["data"]) == 5 and "Payroll" in _names(said),
    "What is late?": lambda said: _each(said, "health") == [("late",)],
    "Whose consent has ended?": lambda said: _each(said, "health") == [("consent_expired",)],
    "What would a disconnect lose?": lambda said: said["data"]["attributes"]["live_rows"]["people"]["input"] == 12,
    "Ask as an agent does ([more](agents.md))": lambda said: (
        "Payments" in said["result"]["structuredContent"]["summary"]
    ),
    "Is it one customer, one tool, or all of us? What is parked anywhere, by reason, and since when?": lambda said: (
        said["data"]["type"] == "fleet"
    ),
    "What is failing anywhere?": lambda said: (
        set(_each(said, "health")) == {("failing",)} and {"Verdier Foods", "Verdier Logistics"} <= _names(said)
    ),
    "Who must reconnect anywhere, within 30 days?": lambda said: (
        _each(said, "health") == [("consent_expires",)] and {"Verdier Logistics", "Mail"} <= _names(said)
    ),
    "Which tool is down? At whom?": lambda said: (
        _each(said, "health") == [("late",)] and "Verdier Logistics" in _names(said)
    ),
    "What is parked anywhere for a reason?": lambda said: set(_each(said, "reason")) == {("unknown_record",)},
    "Which syncs did not come whole?": lambda said: isinstance(said["data"], list),
    "Find a company anywhere": lambda said: {"Alder Trading", "Northwind Studio"} <= _names(said),
    "See the catalogue": lambda said: "Stripe" in _names(said),
    "Select a provider": lambda said: said["data"]["attributes"]["is_selected"],
    "Which are chosen?": lambda said: STRIPE in _providers(said),
    "Make a group of a workspace": lambda said: said["data"]["attributes"]["name"] == "Verdier North",
    "Enrol another workspace": lambda said: said["data"]["type"] == "workspace_group_workspace",
    "Add a person": lambda said: said["data"]["attributes"]["role"] == "member",
    "Rename it": lambda said: said["data"]["attributes"]["name"] == "Verdier South",
    "What did last night's sync bring?": lambda said: ("nightly", "unknown_record") in _each(said, "run", "reason"),
    "Why did it fail?": lambda said: ("nightly", "unknown_record") in _each(said, "run", "reason"),
    "Send what it missed, through the feed": lambda said: (said["outcome"], said["applied"]) == ("done", 1),
    # It may have been released by itself.
    "Release it now (without this, it is released within a minute)": lambda said: said["meta"]["still_parked"] == 0,
    "Load a file of events": lambda said: (said["outcome"], said["applied"]) == ("done", 1),
    "Export a workspace": lambda said: re.fullmatch(r"\d{3,} lines in \S+\n", said) is not None,
    "Erase a person": lambda said: said["outcome"] == "done",
    "Erase a workspace": lambda said: said["outcome"] == "done",
    "Look into the database": lambda said: "Verdier Foods" in said,
    "Compare the sums with the rows": lambda said: said.endswith("(0 rows)\n\n"),
    "A token of a person of mine": lambda said: said.count(".") == 2,
    "A token of a service of mine": lambda said: said.count(".") == 2,
    "See a 503": lambda said: "make resume-db" in said,
    "End it": lambda said: said == "the functions reach the database again\n",
}


@dataclass
class Terminal:
    """A shell in the checkout, beside a running stack; `ids` are what rows answered that others name."""

    stack: StackProcess
    folder: Path
    ids: dict[str, str] = field(default_factory=dict)

    def typed(self, command: str) -> str:
        """Type a command after what the page has one paste first; return what it printed."""
        text = f"{SHELL}\n{command}".replace("http://127.0.0.1:3000", self.stack.facts["api_url"])
        text = text.replace("http://127.0.0.1:3001", self.stack.facts["sqs_endpoint_url"])
        assert TOKEN in text
        if command != next(iter(ROWS.values())):
            who = re.match(r"WHO=(\w+) ", command)
            text = text.replace(TOKEN, self.stack.token(who[1] if who else "owner"))
        for name in ("ledger.jsonl", "platform.jsonl.gz"):
            text = text.replace(name, str(self.folder / name))
        done = self.stack.typed("bash", "-c", text, **self.ids)
        assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
        return done.stdout

    def do(self, task: str) -> None:
        """Do one task as its row says; a question is asked again until it shows what must come of the row before."""
        command, check = ROWS[task], CHECKS.get(task, bool)
        deadline = time.monotonic() + SECONDS
        while True:
            printed = self.typed(command)
            said: Any = json.loads(printed) if printed.startswith("{") else printed
            if command.startswith(("send ", "say DELETE")):
                assert "<MessageId>" in printed if command.startswith("send ") else printed == "", printed
                return
            if check(said) or not command.startswith("ask ") or time.monotonic() > deadline:
                break
            time.sleep(0.2)
        assert check(said), f"{task}: {printed}"
        if task == "Make a group of a workspace":
            self.ids["GROUP"] = said["data"]["id"]
        elif task == "Add a person":
            self.ids["MEMBER"] = said["data"]["id"]

    def do_all(self) -> None:
        """Do every task that this stack can do, in the page's order."""
        line = json.dumps(upserted("company", demo_id("company", "a", 0xF02), name="Loaded", workspace_id=WORKSPACE))
        (self.folder / "platform.jsonl.gz").write_bytes(gzip.compress(line.encode()))
        for task in ROWS:
            if task not in ELSEWHERE:
                self.do(task)


WORKSPACE = demo_data.WORKSPACES[0].id
