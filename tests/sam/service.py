"""`sam build`, `sam local start-lambda` and `sam local start-api`, as programs beside the tests."""

import json
import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

from local.docker import docker
from local.errors import Fault
from local.processes import free_port, spawn_bound
from local.settings import HOST, ROOT
from local.template import Template

PYTHON = ROOT / ".local" / "sam-venv" / "bin" / "python"
FOLDER = ROOT / ".local" / "sam-test"
MIGRATION = "SchemaMigrateFunction"
ISSUER = "https://issuer.example"
# Far above what a busy machine takes; nothing waits this long that works.
START_SECONDS = 120.0
STOP_SECONDS = 120.0
ANSWER_SECONDS = 300.0


def environment() -> dict[str, str]:
    """Return the SAM CLI's environment, without a key or profile: with one it asks AWS who it is, and waits."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "PYTHON"))}
    return {
        **kept,
        "PATH": f"{PYTHON.parent}{os.pathsep}{os.environ['PATH']}",
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
        # That of the events.
        "AWS_DEFAULT_REGION": "eu-west-1",
        "SAM_CLI_TELEMETRY": "0",
        # It forgets files there.
        "TMPDIR": str(FOLDER / "temporary"),
        "SAM_CLI_CONTAINER_CONNECTION_TIMEOUT": str(START_SECONDS),
    }


def parameters(architecture: str) -> list[str]:
    """Return the options that say what the template cannot know."""
    return ["--parameter-overrides", f"Issuer={ISSUER} Architecture={architecture}"]


def build(architecture: str) -> Path:
    """Build the template, and return the template of what was built. Raises Fault."""
    for log in FOLDER.glob("*.log"):
        # Of a run that was killed.
        _remove(log)
    shutil.rmtree(FOLDER, ignore_errors=True)
    (FOLDER / "temporary").mkdir(parents=True)
    command = [str(PYTHON), "-m", "samcli", "build", "--parallel", "--build-dir", str(FOLDER / "build")]
    done = subprocess.run(
        [*command, *parameters(architecture)], cwd=ROOT, env=environment(), capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise Fault(f"sam build failed:\n{done.stdout}{done.stderr}")
    return FOLDER / "build" / "template.yaml"


def configured(template: Path, everywhere: Mapping[str, str], migration: Mapping[str, str]) -> Path:
    """Write a copy of a built template whose functions have these environment variables too, and return its path.

    `--env-vars` could only change variables that the template declares, and a password is none of them.

    Args:
        template: the built one; the copy lies beside it, so that it finds what was built.
        everywhere: for all functions.
        migration: for the migration beside those.
    """
    document = Template(template).document
    document["Globals"]["Function"]["Environment"]["Variables"] |= everywhere
    document["Resources"][MIGRATION]["Properties"]["Environment"]["Variables"] |= {**everywhere, **migration}
    copy = template.with_name("configured.json")
    copy.touch(mode=0o600)
    copy.write_text(json.dumps(document))
    return copy


class Service:
    """A running `sam local …`: its `url`, and what it wrote to `log`."""

    def __init__(self, url: str, log: Path) -> None:
        self.url = url
        self.log = log

    def invoke(self, function: str, event: Any) -> Any:
        """Return what `function` answers to `event`, in a container that is kept for the next. Raises Fault.

        An error of the function is an answer too: an object with `errorType`.
        """
        url = f"{self.url}/2015-03-31/functions/{function}/invocations"
        try:
            with urlopen(Request(url, json.dumps(event).encode()), timeout=ANSWER_SECONDS) as answer:  # noqa: S310  our own
                return json.load(answer)
        except HTTPError as error:
            with error:
                raise Fault(f"{function} was not invoked ({error.code}): {self.last_lines()}") from error

    def last_lines(self) -> str:
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-30:])


@contextmanager
def serve(template: Path, architecture: str) -> Iterator[Service]:
    """Run `sam local start-lambda` on a free port, each function in a container that stays until the end.

    Args:
        template: of what was built.
        architecture: for which it was built.

    Raises:
        Fault: it does not start.
    """
    options = [
        *("--template", str(template), "--host", HOST, "--warm-containers", "LAZY", "--skip-pull-image"),
        *("--layer-cache-basedir", str(FOLDER / "temporary"), *parameters(architecture)),
    ]
    with typed([str(PYTHON), "-m", "samcli", "local", "start-lambda", *options], ROOT, "start-lambda") as service:
        yield service


@contextmanager
def typed(command: Sequence[str], directory: Path, name: str) -> Iterator[Service]:
    """Run a `sam local` that serves on a free port, and whatever else its command and the folder's samconfig.toml say.

    Raises:
        Fault: it does not start.
    """
    port = free_port()
    log = FOLDER / f"{name}.log"
    with log.open("wb") as output:
        process = spawn_bound(
            [*command, "--port", str(port)],
            signal.SIGTERM,
            environment=environment(),
            directory=directory,
            output=output,
        )
    service = Service(f"http://{HOST}:{port}", log)
    try:
        _wait_until_it_listens(process, service)
        yield service
    finally:
        _stop(process, log)


def _wait_until_it_listens(process: subprocess.Popen[bytes], service: Service) -> None:
    deadline = time.monotonic() + START_SECONDS
    while "Running on http://" not in service.log.read_text(errors="replace"):
        if process.poll() is not None or time.monotonic() > deadline:
            raise Fault(f"sam local did not start: {service.last_lines()}")
        time.sleep(0.1)


def _stop(process: subprocess.Popen[bytes], log: Path) -> None:
    """End the program, which removes its containers; remove what it leaves, and the images it made of the layers."""
    left = _left(log)
    images = docker("inspect", "--format", "{{.Image}}", *left).split() if left else []
    process.terminate()
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    _remove(log)
    # Twice, because one may be made from another. And another `sam local` beside this one may use them.
    for image in [*set(images), *set(images)]:
        with suppress(Fault):
            docker("rmi", image)


def _left(log: Path) -> set[str]:
    made = re.findall(r"SAM_CONTAINER_ID: (\w+)", log.read_text(errors="replace"))
    return set(docker("ps", "--all", "--quiet", "--no-trunc").split()).intersection(made)


def _remove(log: Path) -> None:
    if left := _left(log):
        docker("rm", "--force", *left)
