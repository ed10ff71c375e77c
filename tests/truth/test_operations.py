"""Commands, queries, alarms and costs of docs/operations.md are there, and add up.

So is what the pages of an operator's duties tell them to type.
"""

import re
import shlex
from functools import cache
from pathlib import Path
from typing import Any

import botocore.session
import pytest
from botocore import xform_name

from local.stages import read_file
from local.template import Template

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "docs/operations.md").read_text()
MEASURED = ROOT / "docs/performance/tables.md"
DUTIES = ("a-customer-leaves", "a-person-asks", "a-person-is-forgotten")
# All that an operator types.
TYPED = "\n".join([TEXT, *((ROOT / f"docs/{page}.md").read_text() for page in DUTIES)])
TEMPLATE = Template().document
SHELL = re.findall(r"^ *```sh\n(.*?)^ *```", TYPED, re.MULTILINE | re.DOTALL)
INSIGHTS = re.findall(r"^```insights\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL)
# Of the CLI itself, whatever the command.
GLOBAL_OPTIONS = {"query", "output", "cli-binary-format", "cli-read-timeout"}
# No operation of the service, but a command that the CLI adds to them.
OF_THE_CLI = {("rds", "generate-db-auth-token"): {"hostname", "port", "username"}, ("s3", "cp"): set[str]()}
# Of Lambda's own lines, as its Developer Guide has them ("Lambda Telemetry API Event schema reference").
OF_LAMBDA = {"type", "platform.report", "timeout", "error", "record.status", "record.metrics.initDurationMs"}
INSIGHTS_WORDS = frozenset(
    ("filter", "fields", "stats", "sort", "count", "sum", "avg", "max", "pct", "by", "bin", "desc", "as", "in", "and")
) | {"or", "limit", "first_starts"}


def commands() -> list[list[str]]:
    """Return each call of the AWS CLI as its words, in a block or in a sentence."""
    spoken = [span for span in re.findall(r"`(aws [a-z0-9-]+ [^`]+)`", TYPED) if "…" not in span]
    text = "\n".join([*SHELL, *spoken]).replace("\\\n", " ")
    found = []
    for start in re.finditer(r"\baws (?=[a-z0-9]+ [a-z-]+)", text):
        call, depth, quoted = "", 0, ""
        for character in text[start.start() :]:
            # It ends with its line, or with the `)` of the `$(` that it stands in.
            if not quoted and (character == "\n" or (character == ")" and depth == 0)):
                break
            depth += {"(": 1, ")": -1}.get(character, 0)
            if character in "\"'" and quoted in {"", character}:
                quoted = "" if quoted else character
            call += character
        found.append(shlex.split(call.split(" | ")[0] if "'" not in call else call))
    return found


@cache
def service(name: str) -> Any:
    # What the CLI calls otherwise.
    return botocore.session.get_session().get_service_model({"s3api": "s3"}.get(name, name))


@pytest.mark.parametrize("words", commands(), ids=lambda words: " ".join(words[1:3]))
def test_every_command_of_aws_is_there_with_its_options(words: list[str]) -> None:
    _, name, operation, *rest = words
    if operation == "wait":
        waiters = botocore.session.get_session().get_waiter_model(name).waiter_names
        assert rest[0].replace("-", "_") in {xform_name(each) for each in waiters}
        return
    if (name, operation) in OF_THE_CLI:
        assert {word.removeprefix("--") for word in rest if word.startswith("--")} == OF_THE_CLI[name, operation]
        return
    operations = {xform_name(each, "-"): each for each in service(name).operation_names}
    assert operation in operations
    members = service(name).operation_model(operations[operation]).input_shape.members
    known = {xform_name(member, "-"): shape for member, shape in members.items()}
    for word in rest:
        if word.startswith("--"):
            option = word.removeprefix("--")
            positive = known.get(option.removeprefix("no-"))
            switches = positive is not None and positive.type_name == "boolean"
            assert option in known or switches or option in GLOBAL_OPTIONS, f"{operation} {word}"


@pytest.mark.parametrize("name", sorted(set(re.findall(r"\$\(output (\w+)\)", TYPED))))
def test_every_output_that_is_asked_for_is_one(name: str) -> None:
    assert name in TEMPLATE["Outputs"]


@pytest.mark.parametrize("name", sorted(set(re.findall(r"\$\(resource (\w+)\)", TYPED))))
def test_every_resource_that_is_asked_for_is_one(name: str) -> None:
    # SAM calls an event's resource after the function and the event.
    events = {
        f"{function}{event}"
        for function, resource in TEMPLATE["Resources"].items()
        if resource["Type"] == "AWS::Serverless::Function"
        for event in resource["Properties"].get("Events", {})
    }
    assert name in events | set(TEMPLATE["Resources"])


def test_every_parameter_that_is_set_is_one() -> None:
    given = re.findall(r"`([A-Z][a-z]\w*)=", TEXT)
    assert given
    assert set(given) <= set(TEMPLATE["Parameters"])


def test_a_parameter_that_is_to_be_written_down_is_as_a_file_of_parameters_has_it(tmp_path: Path) -> None:
    (line,) = re.findall(r"write `([^`]+)` among the \[parameters\]", TEXT)
    file = tmp_path / "production.yaml"
    file.write_text(f"Issuer: https://issuer.example\n{line}\n")
    assert read_file(file).keys() == {"Issuer", "DbSnapshot"}


def test_every_alarm_has_its_entry_and_every_entry_its_alarm() -> None:
    alarms = {name for name, each in TEMPLATE["Resources"].items() if each["Type"] == "AWS::CloudWatch::Alarm"}
    entries = re.findall(r"^### (\w+Alarm)\n\n(.*?)(?=^##)", TEXT, re.MULTILINE | re.DOTALL)
    assert len(entries) == len(alarms)
    assert {name for name, _ in entries} == alarms
    for name, entry in entries:
        assert "**Look**" in entry, name
        assert "**Do**" in entry, name


@pytest.mark.parametrize("query", INSIGHTS, ids=lambda query: query.splitlines()[0])
def test_every_query_asks_for_what_is_logged(query: str) -> None:
    sources = [path.read_text() for path in (ROOT / "layers/shared/wellspring").rglob("*.py")]
    logged = set(re.findall(r"""["']([\w ]+)["']""", "\n".join([*sources, (ROOT / "template.yaml").read_text()])))
    # Of Powertools' Logger, in each line.
    logged |= {"level", "message", "ERROR", "CRITICAL"}
    # Keyword arguments become fields as well: `status=`, `request_id=`.
    logged |= set(re.findall(r"\b([a-z_]+)=", "\n".join(sources)))
    values = re.findall(r'"([^"]+)"', query)
    names = re.findall(r"(?<!@)\b[a-z_]\w*(?:\.\w+)*", re.sub(r'"[^"]*"', "", query))
    for name in {re.sub(r"\.0$", "", name) for name in names} - INSIGHTS_WORDS:
        assert name in logged | OF_LAMBDA, name
    for value in values:
        assert value in logged | OF_LAMBDA or re.fullmatch(r"[0-9a-f]{24}|[0-9a-f-]{36}", value), value


def rows(table: str) -> list[list[str]]:
    """Return the cells of a Markdown table's body."""
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines()[2:]]


def number(quantity: str) -> float:
    """Return a quantity without its unit."""
    return float(quantity.partition(" ")[0])


TABLES = re.findall(r"^\| item \|.*\n(?:^\|.*\n)+", TEXT, re.MULTILINE)


@pytest.mark.parametrize("table", TABLES, ids=lambda table: rows(table)[0][0])
def test_what_it_costs_multiplies_out_and_adds_up(table: str) -> None:
    *items, total = rows(table)
    assert total[0] == "**Sum**"
    for item, quantity, price, dollars in items:
        assert abs(number(quantity) * float(price) - float(dollars)) < 0.006, item
    assert f"{sum(float(item[3]) for item in items):.2f}" == total[3].strip("*")


def test_there_is_a_table_for_each_cost() -> None:
    # The stack as it comes, the small one, requests, rows in small messages, and the bus.
    assert len(TABLES) == 5


def test_the_floor_is_of_the_stack_as_it_comes() -> None:
    parameters = TEMPLATE["Parameters"]
    floor = {row[0]: row for row in rows(TABLES[0])}
    assert f"`{parameters['DbInstanceClass']['Default']}` with a standby" in next(iter(floor))
    assert number(floor["Storage, gp3 in two zones"][1]) == parameters["DbStorage"]["Default"]
    # Of Aurora, and of events.
    of_options = ("HasReader", "SendsEvents")
    alarms = [
        each
        for each in TEMPLATE["Resources"].values()
        if each["Type"] == "AWS::CloudWatch::Alarm" and each.get("Condition") not in of_options
    ]
    read = sum(
        max(1, len([one for one in each["Properties"].get("Metrics", []) if "MetricStat" in one])) for each in alarms
    )
    assert floor[f"Metrics that {len(alarms)} alarms read"][1] == f"{read} metrics"
    assert TEMPLATE["Globals"]["Function"]["MemorySize"] == 1024


def test_a_row_takes_what_the_forecast_multiplies() -> None:
    told = re.search(r": (\d+) bytes of table, .* and (\d+) of indexes, .*?: (\d+) in all", TEXT.replace("\n", " "))
    assert told is not None
    of_table, of_indexes, of_both = map(int, told.groups())
    assert of_both == of_table + of_indexes
    assert f"A row of provenance has {of_indexes} bytes of indexes" in MEASURED.read_text()
    forecast = re.findall(r"^\| (\d+) million \| ([\d.]+) GB \| ([\d.]+) GB \| ([\d.]+) GB", TEXT, re.MULTILINE)
    assert len(forecast) == 3
    for million, table, indexes, together in forecast:
        for size, each in ((table, 93.4), (indexes, of_indexes), (together, of_both)):
            assert float(f"{int(million) * each / 1000:.2g}") == pytest.approx(float(f"{float(size):.2g}"))
