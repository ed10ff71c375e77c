"""The tests that a document names: `folder/test_file.py::test_name`, beneath `tests/`."""

import ast
import re
from functools import cache
from pathlib import Path

TESTS = Path(__file__).resolve().parents[1]


def named_tests(page: str) -> list[str]:
    """Return the tests that a page names, each once; fail where something that looks like a name is not seen as one."""
    named = sorted(set(re.findall(r"`([a-z_/]+/test_[a-z_]+\.py::[A-Za-z0-9_:]+)`", page)))
    assert page.count("::test_") == sum(page.count(f"`{name}`") for name in named)
    return named


def is_there(name: str) -> bool:
    """Say whether there is a test of that name."""
    file, _, test = name.partition("::")
    path = TESTS / file
    return path.exists() and test in _names_in(path)


@cache
def _names_in(path: Path) -> frozenset[str]:
    """Return the tests of a file, as functions and as methods of classes."""
    found = set()
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.FunctionDef):
            found.add(node.name)
        elif isinstance(node, ast.ClassDef):
            found |= {f"{node.name}::{child.name}" for child in node.body if isinstance(child, ast.FunctionDef)}
    return frozenset(name for name in found if name.rpartition("::")[2].startswith("test_"))
