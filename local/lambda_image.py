"""The image of Lambda's Python runtime, in which `sam local` runs functions: `python -m local.lambda_image`.

Where a registry can be reached it is AWS's. Where none can, a stand-in is made of what is here: this machine's C
library and Python 3.13, and from PyPI what the runtime has (local/requirements/lambda.txt), first of all AWS's own
runtime client, which calls the handlers. SAM puts the emulator of Lambda's API on top of either.
"""

import ctypes
import hashlib
import json
import platform
import re
import select
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import IO, Any, cast

from local.docker import RUNTIME, architecture, docker
from local.errors import Fault
from local.settings import ROOT

REPOSITORY, _, VERSION = RUNTIME.partition(":")
LOCK = ROOT / "local" / "requirements" / "lambda.txt"
LABEL = "wellspring.stand-in"
# Seconds until a registry says that it has the image, and until it is here.
PATIENCE = 20.0
PULL_SECONDS = 900.0

# What SAM's Dockerfile runs.
PROGRAMS = ("sh", "cp", "mv", "rm", "chmod")
# What wheels ask the C library and the compiler's runtime for, beside what Python itself does.
LIBRARIES = (
    *("libdl.so.2", "libgcc_s.so.1", "libpthread.so.0", "libresolv.so.2", "librt.so.1", "libstdc++.so.6"),
    "libutil.so.1",
)
UNUSED = ("site-packages", "dist-packages", "config-*", "ensurepip", "idlelib", "test", "tkinter", "turtledemo")
FOLDERS = ("dev", "etc", "opt", "proc", "sys", "tmp", "usr/bin", "var/lang/bin", "var/runtime", "var/task")
# The places and their order are those of AWS's image: the function, the layers, then what the runtime itself has.
BOOTSTRAP = f"""#!/var/lang/bin/python{VERSION}
import os
import sys

from awslambdaric.__main__ import main

os.environ["AWS_EXECUTION_ENV"] = "AWS_Lambda_python{VERSION}"
sys.path[:0] = [os.environ["LAMBDA_TASK_ROOT"], "/opt/python/lib/python{VERSION}/site-packages", "/opt/python"]
main(["bootstrap", os.environ["_HANDLER"]])
"""
LIBRARY_PATH = "/var/lang/lib:/lib64:/usr/lib64:/var/runtime:/var/runtime/lib:/var/task:/var/task/lib:/opt/lib"
CONFIGURATION = (
    "ENV LANG=en_US.UTF-8",
    "ENV PATH=/var/lang/bin:/usr/local/bin:/usr/bin:/bin:/opt/bin",
    f"ENV LD_LIBRARY_PATH={LIBRARY_PATH}",
    "ENV LAMBDA_TASK_ROOT=/var/task",
    "ENV LAMBDA_RUNTIME_DIR=/var/runtime",
    "WORKDIR /var/task",
)
# Whether it works is found out here and not in SAM.
TRIAL = (
    "import sys; sys.path.insert(0, '/var/runtime'); import awslambdaric.bootstrap, boto3, ctypes, decimal, ssl, uuid"
)


def provide() -> str:
    """See to it that the engine has the image, and return what it is, in a few words. Raises Fault."""
    for_architecture = architecture()
    image = f"{REPOSITORY}:{VERSION}-{for_architecture}"
    here = _inspect(image)
    made_as = (here["Config"]["Labels"] or {}).get(LABEL) if here else None
    if here and not made_as:
        return f"{image}, {'from AWS' if here['RepoDigests'] else 'made on this machine, but not by this project'}"
    if _pull(image):
        return f"{image}, from AWS"
    key = _key()
    if made_as != key:
        _make(image, for_architecture, key)
        if here:
            # In use, or the parent of another image: no harm.
            with suppress(Fault):
                docker("rmi", here["Id"])
    return f"a stand-in for {image}, made of this machine's Python {platform.python_version()}: no registry is in reach"


def _inspect(image: str) -> dict[str, Any] | None:
    try:
        found = json.loads(docker("image", "inspect", image))
    except Fault:
        return None
    described: dict[str, Any] = found[0]
    return described


def _pull(image: str) -> bool:
    """Pull `image` and say whether that worked; a registry that is not there is not waited for."""
    with subprocess.Popen(["docker", "pull", image], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as pulling:
        # Its first words come when the registry has answered.
        begun, _, _ = select.select([cast("IO[bytes]", pulling.stdout)], [], [], PATIENCE)
        try:
            pulling.communicate(timeout=PULL_SECONDS if begun else 0)
        except subprocess.TimeoutExpired:
            pulling.terminate()
    return pulling.returncode == 0


def _key() -> str:
    """Return what differs between two stand-ins that are not the same."""
    made_of = f"{platform.python_version()} {sys.base_prefix} {platform.libc_ver()}".encode()
    return hashlib.sha256(Path(__file__).read_bytes() + LOCK.read_bytes() + made_of).hexdigest()[:16]


def _make(image: str, for_architecture: str, key: str) -> None:
    machine = platform.machine().replace("aarch64", "arm64")
    if platform.libc_ver()[0] != "glibc" or machine != for_architecture:
        raise Fault(
            f"{image} cannot be pulled, and a stand-in for it is made on Linux with glibc on {for_architecture} only"
        )
    print(f"making a stand-in for {image}", file=sys.stderr)
    with tempfile.TemporaryDirectory(prefix="wellspring-image-") as folder:
        root = Path(folder)
        _fill(root)
        made = _import(root, key)
    try:
        docker("run", "--rm", "--network", "none", "--entrypoint", f"/var/lang/bin/python{VERSION}", made, "-c", TRIAL)
    except Fault as error:
        docker("rmi", made)
        raise Fault(f"the stand-in for {image} does not work: {error}") from error
    docker("tag", made, image)


def _fill(root: Path) -> None:
    """Make the image's file system in `root`."""
    for name in FOLDERS:
        (root / name).mkdir(parents=True)
    (root / "tmp").chmod(0o1777)
    (root / "bin").symlink_to("usr/bin")
    (root / "etc" / "passwd").write_text("root:x:0:0:root:/root:/bin/sh\n")
    python = root / "var" / "lang" / "bin" / f"python{VERSION}"
    shutil.copy(Path(sys.executable).resolve(), python)
    shutil.copytree(
        sysconfig.get_path("stdlib"),
        root / "var" / "lang" / "lib" / f"python{VERSION}",
        ignore=shutil.ignore_patterns(*UNUSED, "*.opt-*.pyc"),
        ignore_dangling_symlinks=True,
    )
    runtime = root / "var" / "runtime"
    pip = [sys.executable, "-m", "pip", "install", "--disable-pip-version-check", "--no-input", "-qq"]
    wanted = ["--require-hashes", "--no-deps", "--only-binary", ":all:", "--target", str(runtime), "-r", str(LOCK)]
    subprocess.run([*pip, *wanted], check=True)
    bootstrap = runtime / "bootstrap"
    bootstrap.write_text(BOOTSTRAP)
    bootstrap.chmod(0o755)
    programs = [root / "usr" / "bin" / name for name in PROGRAMS]
    for program in programs:
        shutil.copy(Path(shutil.which(program.name) or program.name).resolve(), program)
    _copy_libraries(root, [python, *programs, *root.rglob("*.so")])


def _copy_libraries(root: Path, users: list[Path]) -> None:
    """Add the shared libraries that `users` need, to the folder of LD_LIBRARY_PATH, and the loader where they look."""
    listed = subprocess.run(["ldd", *users], capture_output=True, text=True, check=False).stdout
    for name in LIBRARIES:
        with suppress(OSError):
            ctypes.CDLL(name)
    loaded = Path("/proc/self/maps").read_text()
    needed = {
        *re.findall(r"=> (/\S+)", listed),
        *re.findall(rf"/\S+/(?:{'|'.join(map(re.escape, LIBRARIES))})", loaded),
    }
    for library in needed:
        if not library.startswith(str(root)):
            shutil.copy(library, root / "var" / "lang" / "lib" / Path(library).name)
    for loader in set(re.findall(r"^\t(/\S+) \(", listed, re.MULTILINE)):
        (root / loader[1:]).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(loader, root / loader[1:])


def _import(root: Path, key: str) -> str:
    """Return the id of the image that the engine makes of `root`."""
    changes = [word for line in (*CONFIGURATION, f"LABEL {LABEL}={key}") for word in ("--change", line)]

    def owned_by_root(member: tarfile.TarInfo) -> tarfile.TarInfo:
        member.uid = member.gid = 0
        member.uname = member.gname = "root"
        return member

    with tempfile.TemporaryFile() as packed:
        with tarfile.open(fileobj=packed, mode="w") as archive:
            archive.add(root, ".", filter=owned_by_root)
        packed.seek(0)
        done = subprocess.run(
            ["docker", "import", *changes, "-"], stdin=packed, capture_output=True, text=True, check=False
        )
    if done.returncode:
        raise Fault(f"docker import: {done.stderr.strip()}")
    return done.stdout.strip()


if __name__ == "__main__":
    try:
        print(f"Lambda's runtime is {provide()}", flush=True)
    except Fault as error:
        # Where the image would be named: whoever asks for it says what follows from that.
        print(error)
        sys.exit(1)
