"""Makes a virtual environment from a lock file: `venv.py FOLDER LOCK STAMP STAMP_FILE`, as `local/venv` calls it.

An environment that was moved, or whose Python is gone or another, is made anew. STAMP is written last, so what was
interrupted is done again; two callers at once take turns.
"""

import fcntl
import shutil
import subprocess
import sys
from pathlib import Path


def is_sound(folder: Path) -> bool:
    """Say whether `folder` is an environment of this Python version that was made where it lies."""
    try:
        made = (folder / "pyvenv.cfg").read_text()
        version = subprocess.run(
            [folder / "bin" / "python", "-c", "import sys, pip; print(*sys.version_info[:2])"],
            capture_output=True,
            text=True,
            check=True,
        ).stdout
    except (OSError, subprocess.CalledProcessError):
        return False
    here = any(line.startswith("command = ") and line.endswith(f" {folder}") for line in made.splitlines())
    return here and version.split() == [str(part) for part in sys.version_info[:2]]


def main(folder: Path, lock: Path, stamp: str, stamp_file: Path) -> None:
    """Bring `folder` to what `lock` names; do nothing when another caller just did."""
    turns = Path(".local")
    turns.mkdir(exist_ok=True)
    with (turns / f"{folder.name}.lock").open("w") as turn:
        fcntl.flock(turn, fcntl.LOCK_EX)
        if stamp_file.exists() and stamp_file.read_text() == stamp and is_sound(folder):
            return
        print(f"installing {lock} into {folder.name} (once)", file=sys.stderr, flush=True)
        if not is_sound(folder):
            shutil.rmtree(folder, ignore_errors=True)
            subprocess.run([sys.executable, "-m", "venv", folder], check=True)
        # Quiet twice: errors only.
        options = ["--disable-pip-version-check", "--no-input", "-qq", "--require-hashes"]
        pip = [str(folder / "bin" / "python"), "-m", "pip", "install"]
        subprocess.run([*pip, *options, "-r", str(lock)], check=True)
        stamp_file.write_text(stamp)


if __name__ == "__main__":
    try:
        main(Path(sys.argv[1]).absolute(), Path(sys.argv[2]), sys.argv[3], Path(sys.argv[4]))
    except subprocess.CalledProcessError as error:
        sys.exit(f"{sys.argv[2]} could not be installed: {error.cmd[0]} ended with {error.returncode}")
    except KeyboardInterrupt:
        sys.exit(130)
