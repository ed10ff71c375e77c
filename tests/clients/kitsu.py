"""Calls methods of a real kitsu client, in a process of Node that lives as long as the client is used."""

import json
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

SCRIPT = Path(__file__).with_name("kitsu.mjs")


class KitsuError(Exception):
    """A promise of kitsu's that was rejected.

    Attributes:
        name: the JavaScript error's.
        status: of the answer, if there was one.
        errors: the JSON:API error objects that kitsu found in it.
    """

    def __init__(self, *, name: str, status: int | None, errors: list[dict[str, Any]] | None) -> None:
        super().__init__(f"{name}: {status} {errors}")
        self.name = name
        self.status = status
        self.errors = errors or []


class Kitsu:
    """One client. Each method of kitsu's can be called; its promise is awaited."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def __call__(self, method: str, *args: Any) -> Any:
        """Return what kitsu's `method` resolves to; `KitsuError` where it rejects."""
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(json.dumps({"method": method, "args": args}) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        assert line, "kitsu's process ended; its own words are above"
        outcome = json.loads(line)
        if "error" in outcome:
            raise KitsuError(**outcome["error"])
        return outcome.get("value")


@contextmanager
def kitsu(folder: Path, options: Mapping[str, Any], paths: Mapping[str, str]) -> Iterator[Kitsu]:
    """Start a client.

    Args:
        folder: where `node_modules` is.
        options: those of kitsu's constructor.
        paths: of the types whose collection is at a path that is not their name.
    """
    # As a module from a string it finds its imports from where it runs, not from where it is kept.
    command = ["node", "--input-type=module", "--eval", SCRIPT.read_text()]
    with subprocess.Popen(
        [*command, json.dumps({"options": options, "paths": paths})],
        cwd=folder,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield Kitsu(process)
        finally:
            # The end of its input is the end of it; leaving `Popen` waits for that.
            assert process.stdin
            process.stdin.close()
