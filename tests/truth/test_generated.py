"""Generated files are in git as their command writes them."""

import ast
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from pathlib import Path

import pytest

from local import asyncapi
from local.generate import docs, events
from local.openapi import files as openapi
from local.settings import ROOT

MAKEFILE = (ROOT / "Makefile").read_text()


def texts(paths: Iterable[Path]) -> dict[Path, str]:
    return {path: path.read_text() for path in paths}


def events_written() -> dict[Path, str]:
    """Return the examples as they are written; those by hand, and no others, are as they are."""
    made = ((events.FOLDER, events.events()), (events.OUT, events.outgoing()))
    by_hand = texts(events.FOLDER / f"{name}.json" for name in events.BY_HAND)
    return by_hand | {
        folder / f"{name}.json": events.written(event) for folder, named in made for name, event in named.items()
    }


def printed(file: str) -> dict[Path, str]:
    """Return what the command prints that the Makefile has write the file."""
    command = rf"\n\t@PYTHONPATH=layers/shared \$\(PYTHON_IN\) -m (\S+) >docs/{re.escape(file)}\n"
    (module,) = re.findall(command, MAKEFILE)
    environment = os.environ | {"PYTHONPATH": str(ROOT / "layers/shared")}
    made = subprocess.run([sys.executable, "-m", module], env=environment, capture_output=True, check=True, text=True)
    return {ROOT / "docs" / file: made.stdout}


# By the target of the Makefile: the module that it runs, and what that writes.
GENERATED: Mapping[str, tuple[str, Callable[[], Mapping[Path, str]]]] = {
    "openapi": ("local.openapi", openapi.written),
    "asyncapi": ("local.asyncapi", asyncapi.written),
    "message-schema": ("wellspring.messages", partial(printed, "messages.schema.json")),
    "feed-schema": ("wellspring.feed_events", partial(printed, "feed.schema.json")),
    "events": ("local.generate.events", events_written),
    "docs": (
        "local.generate.docs",
        lambda: {ROOT / name: docs.document(name, (ROOT / name).read_text()) for name in docs.DOCUMENTS},
    ),
}


@pytest.mark.parametrize("target", GENERATED)
def test_a_file_is_what_its_target_writes(target: str) -> None:
    module, written = GENERATED[target]
    made = written()
    there = made.keys() | {*events.FOLDER.glob("**/*.json")} if target == "events" else made.keys()
    old = [path.name for path in there if path.read_text() != made.get(path)]
    assert old == [], f"old: `make {target}`"
    assert re.search(rf"^{target}:.*\n\t@.*-m {re.escape(module)}\b", MAKEFILE, re.MULTILINE)


def test_the_page_of_the_architecture_fits_on_two_screens() -> None:
    assert len((ROOT / "docs/architecture.md").read_text().splitlines()) <= 100


def test_nobody_imports_a_private_name_of_ours() -> None:
    found = [
        (path.name, node.module, alias.name)
        for path in (ROOT / "layers/shared/wellspring").rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("wellspring")
        for alias in node.names
        if alias.name.startswith("_")
    ]
    assert found == []
