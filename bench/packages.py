"""Size of the packages: the layers, built as `sam build` builds them, and the functions."""

import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

from bench import ROOT
from bench.measure import Result
from bench.run import Run
from layers import build
from local.errors import Fault
from local.template import Template

NAMES = ("package_size", "package_size_zipped", "package_size_migrations")


def sizes(run: Run) -> Iterator[Result]:
    """Give the size of the shared layer and the functions, and of the layer that only the migration has beside it.

    Raises `Fault` where pip cannot have the layers' packages.
    """
    run.say("package size: building the layers")
    # Of the template's processor, not of this machine's.
    architecture = Template().document["Parameters"]["Architecture"]["Default"]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        try:
            build.build("SharedLayer", folder / "function" / "python", architecture)
            build.build("MigrationsLayer", folder / "migrations" / "python", architecture)
        except subprocess.CalledProcessError as error:
            raise Fault("pip could not install what the layers need") from error
        build.copy(ROOT / "functions", folder / "function")
        unpacked, zipped = build.sizes(folder / "function")
        migrations, _ = build.sizes(folder / "migrations")
    for label, size in zip(NAMES, (unpacked, zipped, migrations), strict=True):
        yield Result(label, size, size, "MB", None)
