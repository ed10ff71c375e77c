"""History is frozen: what a revision does never changes, whatever becomes of the product and of other revisions.

`python -m tests.schema.test_frozen` freezes a new revision and a new function of `migrations/support.py`: it adds their
lines to `frozen.txt`. It never writes a line anew: who wants another catalogue writes a revision.
"""

import ast
import hashlib
from pathlib import Path

from local.settings import ROOT

FILE = Path(__file__).with_name("frozen.txt")
VERSIONS = ROOT / "migrations" / "versions"
SUPPORT = ROOT / "migrations" / "support.py"
ALLOWED = {"alembic", "sqlalchemy", "migrations.support", "collections.abc", "contextlib"}


def texts() -> dict[str, str]:
    """Return the text of each revision and of each statement of `support.py`, by name."""
    found = {path.name: path.read_text() for path in sorted(VERSIONS.glob("*.py"))}
    source = SUPPORT.read_text()
    for statement in ast.parse(source).body:
        # With what decorates it.
        first = min([statement.lineno, *(line.lineno for line in getattr(statement, "decorator_list", ()))])
        text = "\n".join(source.splitlines()[first - 1 : statement.end_lineno])
        for name in _names(statement):
            found[f"support.{name}"] = text
    return found


def _names(statement: ast.stmt) -> list[str]:
    """Return the names that a statement gives: of a function, of a type, of constants."""
    match statement:
        case ast.FunctionDef():
            return [statement.name]
        case ast.TypeAlias():
            return [ast.unparse(statement.name)]
        case ast.Assign():
            return [ast.unparse(target).strip("()") for target in statement.targets]
        case _:
            return []


def hashes() -> dict[str, str]:
    return {name: hashlib.sha256(text.encode()).hexdigest() for name, text in texts().items()}


def frozen() -> dict[str, str]:
    lines = FILE.read_text().splitlines() if FILE.exists() else []
    return {name: said for said, _, name in (line.partition("  ") for line in lines)}


def imported(path: Path) -> set[str]:
    """Return the modules that a file imports, one that is imported from its package by its whole name."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            of_package = node.module == "migrations"
            found |= {f"migrations.{alias.name}" for alias in node.names} if of_package else {str(node.module)}
    return found


def test_no_revision_changes_and_nothing_that_revisions_call() -> None:
    now = hashes()
    changed = [name for name, said in frozen().items() if now.get(name) != said]
    assert not changed, f"history is frozen; write a new revision: {', '.join(changed)}"


def test_each_revision_is_frozen_from_the_day_that_it_is_written() -> None:
    missing = hashes().keys() - frozen().keys()
    assert not missing, f"`python -m tests.schema.test_frozen` freezes {', '.join(sorted(missing))}"


def test_a_revision_imports_nothing_of_the_product_and_no_other_revision() -> None:
    for path in (SUPPORT, *VERSIONS.glob("*.py")):
        assert imported(path) <= ALLOWED, path.name


if __name__ == "__main__":
    FILE.write_text("".join(f"{said}  {name}\n" for name, said in (hashes() | frozen()).items()))
