"""Documents and template against the code: each drift is a failing test."""

import re
from dataclasses import fields
from pathlib import Path

import pytest

from local.template import Template
from tests.deployment import test_migration as deployment_events
from tests.feed import test_events as feed_events
from tests.outbox import test_publishing as published_events
from tests.reading import test_events as read_events
from tests.reading import test_exporting as exported_events
from tests.support.events import function_of
from tests.sync import test_events as sync_events
from tests.sync import test_pruning as pruned_events
from tests.sync import test_releasing as settled_events
from tests.writing import test_events as written_events
from wellspring.routes import routes
from wellspring.settings import CallerSettings, Settings

ROOT = Path(__file__).resolve().parents[2]
TEMPLATE = Template()
HANDLERS = sorted(function.handler for function in TEMPLATE.functions.values())
FILES = sorted(path for path in (ROOT / "functions").rglob("*.py") if path.name != "__init__.py")
# What `$default` answers without a token.
FOR_BROWSERS = ("GET /", "GET /docs/{proxy+}", "GET /console/{proxy+}")
EVENTS = sorted((ROOT / "events").glob("*.json"))


def read(name: str) -> str:
    return (ROOT / name).read_text()


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_handler_is_in_the_template(path: Path) -> None:
    module = ".".join(path.relative_to(ROOT / "functions").with_suffix("").parts)
    assert f"{module}.handler" in HANDLERS


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_handler_says_what_the_operation_is_and_nothing_else(path: Path) -> None:
    lines = [line for line in path.read_text().splitlines() if line.strip()]
    assert len(lines) <= 12
    assert not re.search(r"\b(def|class|if|for|while|try|lambda)\b", "\n".join(lines[1:]))
    imported = re.findall(r"^(?:from|import) (\S+)", path.read_text(), re.MULTILINE)
    assert all(name.startswith(("wellspring.handlers", "wellspring.resources")) for name in imported)


def head_of(key: str) -> str:
    """Return a route's key with HEAD for GET: whatever answers GET answers it (ADR 0049)."""
    return re.sub("^GET ", "HEAD ", key)


# What answers where no operation does.
FALLBACKS = ("$default", "OPTIONS /{proxy+}")


def test_every_declared_route_is_served_by_its_function_and_no_other() -> None:
    served = {route.key: route.function.handler for route in TEMPLATE.routes}
    declared = {f"{route.method} {route.path}": f"{route.function}.handler" for route in routes()}
    declared |= dict.fromkeys((*FALLBACKS, *FOR_BROWSERS), "default.answer.handler")
    assert served == declared | {head_of(key): handler for key, handler in declared.items()}


def test_what_is_open_is_declared_open() -> None:
    open_to_all = {f"{route.method} {route.path}" for route in routes() if route.open_to_all}
    # A preflight carries no token.
    without = open_to_all | {*FOR_BROWSERS, "OPTIONS /{proxy+}"}
    found = {route.key for route in TEMPLATE.routes if not route.needs_token}
    assert found == without | {head_of(key) for key in without}
    assert open_to_all == {
        "GET /health",
        "GET /v1/openapi.json",
        "GET /docs",
        "GET /console",
        "GET /console/{file}",
        "GET /.well-known/oauth-protected-resource/mcp",
    }


@pytest.mark.parametrize("route", [*FALLBACKS, *FOR_BROWSERS])
def test_what_answers_beside_the_declared_routes_is_in_the_readme(route: str) -> None:
    """The declared ones are in its table, which is generated: tests/truth/test_generated.py."""
    assert f"`{route}`" in read("README.md")


def test_every_event_is_replayed_by_a_test() -> None:
    """Each of these folders replays what it lists, tests/sync also what begins with sync_."""
    of_queues = (pruned_events, settled_events, published_events)
    folders = (read_events, written_events, exported_events, deployment_events, *of_queues)
    others = [name for folder in folders for name in folder.REPLAYED]
    replayed = [*others, *(f"sync_{name}" for name in sync_events.REPLAYED), *feed_events.REPLAYED]
    assert sorted(replayed) == sorted(path.stem for path in EVENTS)


def test_every_function_has_an_event() -> None:
    """So each is invoked in the runtime's container: tests/sam/test_events.py gives every event."""
    assert {function_of(path.stem).name for path in EVENTS} == set(TEMPLATE.functions)


def test_every_parameter_and_every_variable_of_the_template_is_documented() -> None:
    """Settings are read from these variables, and from what Lambda sets itself."""
    page = read("docs/settings.md")
    variables = {name for function in TEMPLATE.functions.values() for name in function.environment}
    settings = {field.name.upper() for each in (Settings, CallerSettings) for field in fields(each)}
    assert settings - variables == {"AWS_REGION"}
    assert [name for name in variables | settings if f"`{name}`" not in page] == []
    assert [name for name in TEMPLATE.document["Parameters"] if f"- `{name}` (" not in page] == []


def test_every_variable_of_the_local_stack_is_documented() -> None:
    used = set()
    for path in (ROOT / "local").rglob("*.py"):
        used |= set(re.findall(r"environ(?:\.get\(|\[)\"([A-Z_]+)\"", path.read_text()))
    missing = {name for name in used if f"`{name}`" not in read("docs/settings.md")}
    # Of the system, of WSGI, or of Lambda, which the workers and the image imitate.
    lambdas = {"AWS_EXECUTION_ENV", "AWS_LAMBDA_FUNCTION_NAME", "LAMBDA_TASK_ROOT", "_HANDLER"}
    assert not missing - {"PATH", "HOME", "HTTP_AUTHORIZATION", "QUERY_STRING"} - lambdas


def test_every_adr_is_in_the_index_and_has_its_parts() -> None:
    index = read("docs/adr/README.md")
    for path in sorted((ROOT / "docs/adr").glob("0*.md")):
        assert f"({path.name})" in index
        text = path.read_text()
        if "\n\nReplaced by [" in text.partition("## ")[0]:
            continue
        for part in ("## Context", "## Decision", "## Consequences", "## Alternatives"):
            assert part in text, f"{path.name} has no {part}"


def test_a_decision_that_was_taken_back_says_first_by_which_and_that_says_so_too() -> None:
    heads = {path.name: path.read_text().partition("## ")[0] for path in (ROOT / "docs/adr").glob("0*.md")}
    pairs = [
        {(name, other), (other, name)}
        for name, head in heads.items()
        for said in re.findall(r"^Replace(?:s|d by) [^;:\n]*", head, re.MULTILINE)
        for other in re.findall(r"\((0[\w-]+\.md)\)", said)
    ]
    assert len(pairs) >= 6
    for pair in pairs:
        assert [(name, other) for name, other in pair if f"({other})" not in heads[name]] == []


def test_every_link_of_a_document_leads_somewhere() -> None:
    for path in [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]:
        for link in re.findall(r"\]\(([^)#:\s]+)(?:#[^)]*)?\)", path.read_text()):
            assert (path.parent / link).exists(), f"{path.relative_to(ROOT)}: {link}"


WORKFLOWS = sorted((ROOT / ".github/workflows").glob("*.yml"))


def test_every_target_of_the_makefile_that_a_document_or_a_workflow_names_is_there() -> None:
    targets = set(re.findall(r"^([a-z-]+):", read("Makefile"), re.MULTILINE))
    named = re.compile(r"(?:`|run: |^)make (?:--silent )?([a-z-]+)", re.MULTILINE)
    for path in (ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").glob("*.md"), *WORKFLOWS):
        assert set(named.findall(path.read_text())) <= targets, path.name


def test_the_tests_that_contributing_begins_with_are_there() -> None:
    begun = read("CONTRIBUTING.md").partition("```\n")[2].partition("```")[0]
    named = re.findall(r"tests/[\w/.]+", begun)
    assert len(named) == 3
    assert all((ROOT / path).exists() for path in named)
    assert "def test_" in (ROOT / named[0]).read_text()
    for path, word in re.findall(r"(tests/[\w/.]+) -k (\w+)", begun):
        assert re.search(rf"def test_\w*{word}", (ROOT / path).read_text()), word


def test_the_locks_name_no_index_and_carry_hashes() -> None:
    for path in [*(ROOT / "local/requirements").glob("*.txt"), *(ROOT / "layers").glob("*/requirements.txt")]:
        text = path.read_text()
        assert "://" not in text
        assert "--index" not in text
        for pin in re.findall(r"^[A-Za-z0-9].*?(?=^\S|\Z)", text, re.MULTILINE | re.DOTALL):
            assert "--hash=sha256:" in pin


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_every_action_of_a_workflow_is_pinned_by_commit(path: Path) -> None:
    text = path.read_text()
    used = re.findall(r"uses: (\S+)(.*)", text)
    assert used
    for action, comment in used:
        if not action.startswith("./"):
            assert re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40}", action)
            assert re.fullmatch(r" # v\d+\.\d+\.\d+", comment)
    assert "secrets." not in text
    assert re.search(r"^permissions:\n  contents: read$", text, re.MULTILINE)
