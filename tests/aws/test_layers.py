"""The layers as `sam build` makes them: all bytecode, nothing too much, and everything that a function imports."""

import importlib.util
import json
import os
import platform
import struct
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from layers import build
from local.settings import ROOT
from local.template import Template

BUILT = ROOT / ".aws-sam" / "build"
LAYERS = ("SharedLayer", "MigrationsLayer")
CONSOLE = "ConsoleLayer"
# Megabytes unpacked and zipped, for size is cold start: Lambda fetches and unpacks a layer before it starts Python.
# Raise one with the change that needs it, and say what for.
BUDGETS = {"SharedLayer": (36, 12), "MigrationsLayer": (3.5, 1.2)}
# e_machine of an ELF header. Source: the System V ABI's supplements for both processors.
MACHINES = {"arm64": 183, "x86_64": 62}
UNCHECKED_HASH = 1
PROCESSOR = {"aarch64": "arm64"}.get(platform.machine(), platform.machine())


@pytest.fixture(scope="module")
def here(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The layers built for this machine's processor, as Lambda would have them at /opt/python."""
    folder = tmp_path_factory.mktemp("layers")
    for layer in (*LAYERS, CONSOLE):
        build.build(layer, folder / layer / "python", PROCESSOR)
    return folder


@pytest.mark.parametrize("layer", LAYERS)
def test_every_module_has_bytecode_that_python_takes_unseen(layer: str) -> None:
    sources = list((BUILT / layer / "python").rglob("*.py"))
    assert sources
    for source in sources:
        compiled = Path(importlib.util.cache_from_source(str(source))).read_bytes()
        magic, flags = compiled[:4], int.from_bytes(compiled[4:8], "little")
        assert (magic, flags) == (importlib.util.MAGIC_NUMBER, UNCHECKED_HASH), source


@pytest.mark.parametrize("layer", LAYERS)
def test_no_bytecode_is_left_of_what_is_not_there(layer: str) -> None:
    for compiled in (BUILT / layer).rglob("*.pyc"):
        assert Path(importlib.util.source_from_cache(str(compiled))).exists()


@pytest.mark.parametrize("layer", LAYERS)
def test_what_is_compiled_is_for_the_processor_of_the_functions(layer: str) -> None:
    wanted = Template().document["Parameters"]["Architecture"]["Default"]
    libraries = list((BUILT / layer).rglob("*.so"))
    assert libraries
    for library in libraries:
        (machine,) = struct.unpack_from("<H", library.read_bytes(), 18)
        assert machine == MACHINES[wanted], library


def test_the_layers_hold_nothing_that_the_runtime_has_or_the_other_has() -> None:
    found = {layer: {path.name for path in (BUILT / layer / "python").iterdir()} for layer in LAYERS}
    everything = set.union(*found.values())
    assert not everything & {"boto3", "botocore", "s3transfer", "urllib3", "pip", "setuptools", "bin"}
    assert found["SharedLayer"] & found["MigrationsLayer"] <= {"__pycache__"}


@pytest.mark.parametrize("layer", LAYERS)
def test_a_layer_is_within_its_budget(layer: str) -> None:
    for found, most in zip(build.sizes(BUILT / layer), BUDGETS[layer], strict=True):
        # And not so far below that the budget means nothing.
        assert most / 2 < found <= most


def test_the_same_sources_are_the_same_layer(here: Path, tmp_path: Path) -> None:
    layer = "MigrationsLayer"
    build.build(layer, tmp_path / layer / "python", PROCESSOR)

    def content(folder: Path) -> dict[str, bytes]:
        return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}

    assert content(here / layer) == content(tmp_path / layer)


def isolated(code: str, *paths: Path, **environment: str) -> str:
    """Return what a program prints that has these folders, and no packages of who runs the tests (`-S`)."""
    found = {"PYTHONPATH": os.pathsep.join(map(str, paths)), "PATH": os.environ["PATH"], **environment}
    done = subprocess.run(
        [sys.executable, "-S", "-P", "-c", code], env=found, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("layers", [("SharedLayer", CONSOLE), (*LAYERS, CONSOLE)])
def test_every_function_imports_with_its_layers_and_nothing_else(here: Path, layers: tuple[str, ...]) -> None:
    migrates = "MigrationsLayer" in layers
    handlers = sorted(
        function.handler.removesuffix(".handler")
        for name, function in Template().functions.items()
        if migrates or name != "SchemaMigrateFunction"
    )
    check = (
        "import importlib, json, sys;"
        f"[importlib.import_module(name) for name in {handlers!r}];"
        "from wellspring.database.engine import engine; engine();"
        "print(json.dumps({name: module.__file__ for name, module in sys.modules.items()"
        " if getattr(module, '__file__', None) and '/lib/python3' not in module.__file__}))"
    )
    paths = (BUILT / "HealthFunction", *(here / layer / "python" for layer in layers))
    modules: dict[str, Any] = json.loads(isolated(check, *paths, DB_HOST="db.example", DB_USER="wellspring_reader"))
    assert "wellspring.services.sync.applying" in modules
    assert ({"alembic.command", "migrations.run"} <= modules.keys()) == migrates
    assert migrates or not [name for name in modules if name.startswith(("alembic", "migrations"))]
    # here / LAYER / python / PACKAGE
    folders = {Path(file).relative_to(here).parts[2] for file in modules.values() if str(here) in file}
    assert "pydantic_core" in folders


def test_the_pruned_layers_still_migrate(here: Path, cluster: Any) -> None:
    """Alembic loads parts of SQLAlchemy when it runs, not when it is imported."""
    cluster.create_database("pruned")
    code = f"from migrations.run import upgrade, downgrade; upgrade({cluster.url('pruned')!r})"
    isolated(code, *(here / layer / "python" for layer in LAYERS))
    cluster.drop_database("pruned")
