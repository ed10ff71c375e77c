"""npm packages for tests, exactly as a folder's package-lock.json pins them, installed outside the tests."""

import fcntl
import hashlib
import shutil
import subprocess
from pathlib import Path

from local.settings import ROOT

MANIFESTS = ("package.json", "package-lock.json")


def installed(package_folder: Path) -> Path:
    """Return the folder `node_modules` with what `package_folder`'s lock pins; install it when it is not there yet.

    It lies in `.local/npm/<name of package_folder>`. Two workers may ask at once: one installs, the other waits.
    Install scripts are not run. Fails with npm's own words when npm cannot install.
    """
    home = ROOT / ".local/npm" / package_folder.name
    home.mkdir(parents=True, exist_ok=True)
    wanted = hashlib.sha256(b"".join((package_folder / name).read_bytes() for name in MANIFESTS)).hexdigest()
    stamp = home / "installed"
    with (home / "busy").open("w") as busy:
        fcntl.flock(busy, fcntl.LOCK_EX)
        if not stamp.exists() or stamp.read_text() != wanted:
            stamp.unlink(missing_ok=True)
            for name in MANIFESTS:
                shutil.copyfile(package_folder / name, home / name)
            npm = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
            done = subprocess.run(npm, cwd=home, capture_output=True, text=True, check=False)
            assert done.returncode == 0, done.stderr
            stamp.write_text(wanted)
    return home / "node_modules"
