"""Machines made of a few fake programs, for the scripts of `local/` that look for programs or install them."""

import subprocess
from pathlib import Path

from local.settings import ROOT


def program(machine: Path, name: str, *lines: str) -> None:
    """Give `machine`, its only folder of programs, a shell script."""
    path = machine / name
    path.write_text("\n".join(("#!/bin/sh", *lines)) + "\n")
    path.chmod(0o755)


def run(machine: Path, script: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run `local/SCRIPT` there."""
    return subprocess.run(
        ["/bin/sh", ROOT / "local" / script],
        env={"PATH": str(machine)} | environment,
        capture_output=True,
        text=True,
        check=False,
    )
