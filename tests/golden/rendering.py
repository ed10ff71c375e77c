"""A question's statement as a golden file has it: laid out, with the names of its values."""

import re
from pathlib import Path
from typing import Any

from tests.golden.layout import laid_out
from tests.golden.shapes import Golden, golden
from wellspring.database import Compiled
from wellspring.database.flush import Question

FOLDER = Path(__file__).parent / "lists"


def compiled(question: Question[object]) -> Compiled:
    """Return the statement of a question."""
    statement = question.asked.statement
    assert isinstance(statement, Compiled)
    return statement


def rendered(shape: Golden) -> str:
    """Return the content of a file."""
    statement = compiled(shape.question)
    names = iter(map(_value, statement._parameters))
    text = re.sub(r"%s", lambda _: next(names), statement.text)
    return f"-- {shape.says}.\n-- {size(statement):,} bytes as it is sent.\n\n{laid_out(text)}"


def size(statement: Compiled) -> int:
    """Return how many bytes of a statement are sent, its values apart: as the driver numbers them, without its work."""
    places = statement.text.count("%s")
    numbers = sum(len(f"${number}") for number in range(1, places + 1))
    return len(statement.text.replace("%s", "").replace("%%", "%").encode()) + numbers


def _value(parameter: tuple[str, Any, object]) -> str:
    """Return the name of a value, or the value itself where it is always the same."""
    name, constant, _ = parameter
    if constant is None:
        return f":{name}"
    return f"'{constant}'" if isinstance(constant, str) else str(constant)


def files() -> dict[str, str]:
    """Return what is in the folder, by the names of the files."""
    return {f"{shape.name}.sql": rendered(shape) for shape in golden()}
