"""Builds a layer for `sam build`: `build.py LAYER ARTIFACTS_DIR`, as the Makefile beside each layer calls it.

SAM's own builder for Python makes no bytecode, Lambda cannot write any to its read-only disk, and importing from source
takes three times as long (docs/adr/0018). Needs nothing but the standard library and pip.
"""

import compileall
import py_compile
import shutil
import subprocess
import sys
import tomllib
import zipfile
from io import BytesIO
from pathlib import Path

MEGABYTE = 1_000_000
LAYERS = Path(__file__).resolve().parent
# Amazon Linux 2023 has glibc 2.34; wheels for an older one run there too.
PLATFORMS = {
    architecture: [f"{tag}_{machine}" for tag in ("manylinux_2_28", "manylinux_2_17", "manylinux2014")]
    for architecture, machine in (("arm64", "aarch64"), ("x86_64", "x86_64"))
}
# What is installed and no function imports; the size budget and a test that imports all of it guard this list.
UNUSED = (
    "bin",  # scripts
    "**/*.pyi",
    "**/*.pyx",
    "**/*.pxd",
    "**/py.typed",
    "alembic/templates",
    "alembic/testing",
    "aws_lambda_powertools/event_handler",  # its router
    "aws_lambda_powertools/utilities/[!_j]*",  # all but jmespath_utils, which the logger imports
    "pydantic/mypy.py",
    "pydantic/v1",
    "sqlalchemy/dialects/mssql",
    "sqlalchemy/dialects/mysql",
    "sqlalchemy/dialects/oracle",
    "sqlalchemy/dialects/sqlite",
    "sqlalchemy/orm",
    "sqlalchemy/testing",
)


def architecture_of(layer: str, artifacts: Path) -> str:
    """Return the template's architecture for the layer `layer`, with the parameters of this build.

    SAM tells a Makefile where to put the layer and nothing else, but writes down what it is about to build. Raises
    `SystemExit` where it did not, as when it builds one resource only.
    """
    plan = artifacts.parents[1] / "build.toml"
    try:
        definitions = tomllib.loads(plan.read_text())["layer_build_definitions"].values()
        (architecture,) = {each["architecture"] for each in definitions if each["layer_name"] == layer}
    except (OSError, KeyError, ValueError) as error:
        raise SystemExit(f"{plan} does not say the architecture of {layer}: build the whole template") from error
    if architecture not in PLATFORMS:
        raise SystemExit(f"{layer}: there is no architecture {architecture}")
    return str(architecture)


def install(requirements: Path, target: Path, architecture: str) -> None:
    """Put what `requirements` pins into `target`, built for Lambda's Python 3.13 on `architecture`."""
    pip = [sys.executable, "-m", "pip", "install", "--disable-pip-version-check", "--no-input", "--quiet"]
    wanted = ["--no-deps", "--no-compile", "--require-hashes", "--only-binary", ":all:"]
    platform = ["--implementation", "cp", "--python-version", "3.13"]
    for tag in PLATFORMS[architecture]:
        platform += ["--platform", tag]
    subprocess.run([*pip, *wanted, *platform, "--target", target, "-r", requirements], check=True)  # noqa: S603  (pip)


def copy(package: Path, target: Path) -> None:
    """Put one of our own packages into `target`."""
    shutil.copytree(package, target / package.name, ignore=shutil.ignore_patterns("__pycache__"))


def prune(target: Path) -> None:
    """Remove what no function imports."""
    for pattern in UNUSED:
        for path in list(target.glob(pattern)):
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink()


def compile_all(target: Path) -> None:
    """Add the bytecode of everything in `target`, which will lie in /opt/python. Raises `SystemExit`.

    Unchecked: Python need not look at a source that cannot change. And no time of a build is in it, so that the same
    sources are the same layer.
    """
    compiled = compileall.compile_dir(
        target,
        quiet=2,
        stripdir=str(target),
        prependdir="/opt/python",
        invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH,
    )
    if not compiled:
        raise SystemExit(f"{target}: something cannot be compiled")


def build(layer: str, target: Path, architecture: str) -> None:
    """Build `layer` for `architecture` into the folder `target`, which Lambda will have at /opt/python."""
    folder, package = {
        "SharedLayer": (LAYERS / "shared", "wellspring"),
        "MigrationsLayer": (LAYERS / "migrations", "migrations"),
        "ConsoleLayer": (LAYERS / "console", "wellspring_console"),
    }[layer]
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir(parents=True)
    # The console's needs nothing.
    if (folder / "requirements.txt").exists():
        install(folder / "requirements.txt", target, architecture)
    copy(folder / package, target)
    prune(target)
    compile_all(target)


def sizes(layer: Path) -> tuple[float, float]:
    """Return the megabytes of what is in the folder `layer`, unpacked and zipped."""
    paths = [path for path in sorted(layer.rglob("*")) if path.is_file()]
    with zipfile.ZipFile(packed := BytesIO(), "w", zipfile.ZIP_DEFLATED) as archive:
        for path in paths:
            archive.write(path, path.relative_to(layer))
    return sum(path.stat().st_size for path in paths) / MEGABYTE, packed.tell() / MEGABYTE


if __name__ == "__main__":
    name, artifacts = sys.argv[1], Path(sys.argv[2]).resolve()
    build(name, artifacts / "python", architecture_of(name, artifacts))
