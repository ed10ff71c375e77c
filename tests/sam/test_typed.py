"""`sam local` as README types it: what it takes is from samconfig.toml and the files that a running stack writes.

The folder is a checkout's as `sam` sees it: this one's samconfig.toml and events, and what the tests have built.
"""

import json
import shutil
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import urlopen

import pytest

from local import docker, sam
from local.errors import Fault
from local.settings import ROOT
from tests.sam import service
from tests.sam.conftest import Deployed
from tests.support.events import function_of

# One of each kind: it writes, takes a queue's messages, migrates. One that reads is asked over HTTP.
TYPED: dict[str, dict[str, Any]] = {
    "workspace_group_create": {"statusCode": 201},
    "sync_append": {"batchItemFailures": []},
    "schema_migrate_by_hand": {"Status": "SUCCESS"},
}
# Not made anew in a copy, whose path is another one.
KEPT = "--old-file stack-venv --old-file sam-venv"
COMMAND = "sam local invoke {function} --event events/{event}.json"


@pytest.fixture(scope="module")
def folder(deployed: Deployed) -> Iterator[Path]:
    """A checkout in which `sam build` was run, beside a running stack."""
    made = service.FOLDER / "typed"
    (made / ".aws-sam").mkdir(parents=True)
    (made / ".aws-sam" / "build").symlink_to(service.FOLDER / "build")
    for name in ("samconfig.toml", "events"):
        (made / name).symlink_to(ROOT / name)
    sam.write_parameters(made / ".local" / "sam")
    cluster = deployed.cluster
    file = sam.write_environment(docker.door(), cluster.port, cluster.password, made / ".local" / "sam")
    assert file.stat().st_mode & 0o077 == 0
    before = images()
    yield made
    file.unlink()
    for image in images() - before:
        # Another may be made from it, or use it.
        with suppress(Fault):
            docker.docker("rmi", image)


def images() -> set[str]:
    return set(docker.docker("image", "ls", "--all", "--quiet", "--no-trunc").split())


def typed(folder: Path, command: str) -> subprocess.CompletedProcess[str]:
    """Run a command in a shell, as somebody who has the project's SAM CLI on their path."""
    return subprocess.run(
        ["sh", "-c", command],
        cwd=folder,
        env=service.environment(),
        capture_output=True,
        text=True,
        check=False,
        timeout=service.ANSWER_SECONDS,
    )


@pytest.mark.usefixtures("demo")
def test_functions_of_each_kind_are_invoked_as_typed(folder: Path) -> None:
    commands = [COMMAND.format(function=function_of(event).name, event=event) for event in TYPED]
    with ThreadPoolExecutor() as threads:
        outcomes = list(threads.map(lambda command: typed(folder, command), commands))
    for done, wanted in zip(outcomes, TYPED.values(), strict=True):
        assert done.stdout, done.stderr
        answer: Any = json.loads(done.stdout.splitlines()[-1])
        assert answer.items() >= wanted.items(), done.stderr


def test_make_builds_and_invokes_one_function(deployed: Deployed) -> None:
    """As README types it, in a copy of the checkout beside a running stack; its virtual environments are this one's."""
    made = service.FOLDER / "made"
    shutil.copytree(ROOT, made, ignore=shutil.ignore_patterns(".*", "__pycache__", "bench", "docs", "tests"))
    state = made / ".local"
    state.mkdir()
    (made / ".venv").symlink_to(ROOT / ".venv")
    (state / "sam-venv").symlink_to(service.PYTHON.parents[1])
    (state / "stack.json").write_text("{}")
    sam.write_parameters(state / "sam")
    cluster = deployed.cluster
    sam.write_environment(docker.door(), cluster.port, cluster.password, state / "sam")
    invoke = f"make {KEPT} sam-invoke FUNCTION=HealthFunction EVENT=health_check"
    # What the gate itself was called with is not for this one.
    done = typed(made, f"unset WELLSPRING_STATE ARGS MAKEFLAGS MAKELEVEL; {invoke}")
    assert done.returncode == 0, done.stderr
    answer: Any = json.loads(done.stdout.splitlines()[-1])
    assert (answer["statusCode"], json.loads(answer["body"])) == (200, {"status": "ok"})


def asked(url: str) -> tuple[int, Any]:
    try:
        with urlopen(url, timeout=service.ANSWER_SECONDS) as answer:  # noqa: S310  our own
            return answer.status, json.load(answer)
    except HTTPError as error:
        with error:
            return error.code, json.load(error)


def test_the_api_is_served_as_typed(folder: Path) -> None:
    with service.typed(["sam", "local", "start-api"], folder, "typed-api") as served:
        assert asked(f"{served.url}/health") == (200, {"status": "ok"})
        assert asked(f"{served.url}/v1/openapi.json") == (200, json.loads((ROOT / "docs/openapi.json").read_text()))
        status, document = asked(f"{served.url}/v1/company-workspace-connectors?page[size]=1")
        assert (status, document["errors"][0]["code"]) == (401, "UNAUTHORIZED")
