"""Private names: who touches whose insides."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest
from pg8000 import legacy

ROOT = Path(__file__).resolve().parents[2] / "layers/shared/wellspring"
# The one file that touches what is pg8000's own.
DRIVER = ROOT / "database/pipeline.py"
# What a connection and a cursor of pg8000's hold, and what it keeps for itself.
PG8000S = {
    *(
        name
        for of in (legacy.Connection, legacy.Cursor)
        for name in vars(of)
        if name.startswith(("_", "handle_")) and not name.endswith("__")
    ),
    *("_usock", "_sock", "_transaction_status", "_client_encoding", "_context", "_row_iter", "_backend_key_data"),
    *("message_types", "pg_types", "py_types"),
}
# Of its modules: what has its own documentation, and a function of one line's use.
MODULES = {"pg8000"}
FUNCTIONS = {("pg8000.dbapi", "convert_paramstyle")}


def files() -> list[Path]:
    return sorted(ROOT.rglob("*.py"))


def imported(tree: ast.AST) -> Iterator[tuple[str, str]]:
    """Yield the modules that a file imports, each with a name of it, or none."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, "") for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from ((node.module or "", alias.name) for alias in node.names)


@pytest.mark.parametrize(
    "path", [path for path in files() if path != DRIVER], ids=lambda path: str(path.relative_to(ROOT))
)
def test_only_the_driver_touches_what_is_pg8000s_own(path: Path) -> None:
    tree = ast.parse(path.read_text())
    names = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute) and not _is_of_self(node)}
    assert not names & PG8000S
    modules = {(module, name) for module, name in imported(tree) if module.split(".")[0] == "pg8000"}
    assert {(module, name) for module, name in modules if module not in MODULES} <= FUNCTIONS


def test_nobody_imports_a_private_name_of_ours() -> None:
    found = [
        (str(path.relative_to(ROOT)), module, name)
        for path in files()
        for module, name in imported(ast.parse(path.read_text()))
        if module.startswith("wellspring") and name.startswith("_")
    ]
    assert found == []


def _is_of_self(node: ast.Attribute) -> bool:
    return isinstance(node.value, ast.Name) and node.value.id in {"self", "cls"}
