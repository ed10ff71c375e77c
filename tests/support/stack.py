"""A whole local stack for a folder of tests: one for each pytest worker, on free ports, forgotten afterwards."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from local.clean import clean
from tests.local.stack_process import StackProcess


@contextmanager
def running(folder: Path, **settings: str) -> Iterator[StackProcess]:
    """Run a stack whose state is beneath `folder`; `settings` are variables of its environment."""
    stack = StackProcess(folder / "state", settings)
    stack.start()
    try:
        yield stack
    finally:
        stack.stop()
        clean(stack.state)
