"""Parameters of this machine for `sam build`, `sam local invoke` and `sam local start-api`, as samconfig.toml asks.

Two files in `.local/sam`: `parameters.yaml` says the processor, and is written with the SAM CLI's environment and by
every stack; `environment.json` says where the running stack's database is and what opens it, readable by its owner
alone. It is there while a stack runs beside a Docker engine whose containers can reach it.

`python -m local.sam` writes the first and needs nothing but the standard library; `python -m local.sam check` says why
a function cannot be invoked, if it cannot.
"""

import json
import platform
import sys
from pathlib import Path

from local.docker import Door, door, has_runtime
from local.errors import Fault
from local.settings import DEFAULT_STATE, Settings, database_variables, write_private

ARCHITECTURES = {"aarch64": "arm64", "arm64": "arm64", "x86_64": "x86_64", "AMD64": "x86_64"}
# Where samconfig.toml looks, whatever WELLSPRING_STATE says.
FOLDER = DEFAULT_STATE / "sam"


def write_parameters(folder: Path = FOLDER) -> None:
    """Write the parameters that differ from machine to machine. Raises Fault on one that Lambda does not have."""
    machine = platform.machine()
    if machine not in ARCHITECTURES:
        raise Fault(f"Lambda has no {machine}")
    folder.mkdir(parents=True, exist_ok=True)
    write_private(folder / "parameters.yaml", f"Architecture: {ARCHITECTURES[machine]}\n")


def write_environment(place: Door, port: int, password: str, folder: Path = FOLDER) -> Path:
    """Write the variables of all functions in containers, which reach the database by a door, and return the file.

    `sam local` sets only variables that the template declares, and those of "Parameters" for every function (SAM
    developer guide, "Environment variable file").
    """
    variables = database_variables(place.name, port, password)
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "environment.json"
    write_private(file, json.dumps({"Parameters": variables}, indent=2) + "\n")
    return file


def guests() -> Door | None:
    """Return how containers reach this machine; None where no Docker engine answers, which is no failure."""
    try:
        return door()
    except Fault:
        return None


def check(settings: Settings) -> None:
    """Raise Fault where `sam local invoke` could not work, with what to do."""
    if settings.state != DEFAULT_STATE:
        raise Fault("WELLSPRING_STATE is set; `sam local` knows the stack of .local, so start that one")
    if not settings.stack_file.exists():
        raise Fault("the stack is not running; `make run` starts it")
    if not (FOLDER / "environment.json").exists():
        raise Fault("the stack was started before Docker was: start it again")


def hint() -> str:
    """Return what `sam local` can do beside this stack, or the command that makes what it lacks."""
    try:
        found = has_runtime()
    except Fault as fault:
        return f"`sam local invoke` cannot run: {fault}"
    if found:
        return "`sam local invoke` reaches this database, too"
    return "`sam local invoke` needs the image of Lambda's runtime: `make sam-image` makes it"


if __name__ == "__main__":
    try:
        write_parameters()
        if sys.argv[1:] == ["check"]:
            check(Settings())
    except Fault as error:
        print(error, file=sys.stderr)
        sys.exit(1)
