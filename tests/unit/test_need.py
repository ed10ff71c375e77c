"""`local/need-docker` and `local/need-chromium`: found, installed or asked for, on machines of a few fake programs."""

from pathlib import Path

import pytest

from tests.support.machines import program, run

SOCKET = "unix:///var/run/docker.sock"


@pytest.fixture
def machine(tmp_path: Path) -> Path:
    """The only folder of programs of a machine that has neither of the two nor apt-get, and whose user is root."""
    program(tmp_path, "id", "echo 0")
    program(tmp_path, "grep", "exit 0")
    program(tmp_path, "sleep", "exit 0")
    program(tmp_path, "setsid", 'exec "$@"')
    return tmp_path


def client(machine: Path) -> None:
    """Add a `docker` whose engine answers once `dockerd` has run, in a network unless `no-network` is there."""
    program(
        machine,
        "docker",
        f"running={machine}/running",
        'case "${DOCKER_HOST:-}" in *wellspring*) running="$running-beside";; esac',
        'if ! [ -e "$running" ]; then echo "Cannot connect to the Docker daemon" >&2; exit 1; fi',
        'case "$1" in',
        f'    network) [ "$running" != {machine}/running ] || ! [ -e {machine}/no-network ];;',
        f"    context) echo {SOCKET};;",
        "esac",
    )


def engine(machine: Path) -> None:
    """Add a `dockerd` that starts, and what starts it where there is systemd."""
    program(machine, "systemctl", f">{machine}/running")
    program(machine, "dockerd", f'case "$*" in *wellspring*) >{machine}/running-beside;; *) >{machine}/running;; esac')


# ---- Docker ----------------------------------------------------------------------------------------------------
def test_an_engine_that_answers_is_taken(machine: Path) -> None:
    client(machine)
    (machine / "running").touch()
    found = run(machine, "need-docker")
    assert (found.returncode, found.stdout, found.stderr) == (0, f"{SOCKET}\n", "")


def test_the_engine_that_is_named_is_taken_and_no_other(machine: Path) -> None:
    client(machine)
    engine(machine)
    refused = run(machine, "need-docker", DOCKER_HOST="tcp://elsewhere:2375")
    assert (refused.returncode, refused.stdout) == (1, "Docker does not answer: Cannot connect to the Docker daemon\n")
    (machine / "running").touch()
    assert run(machine, "need-docker", DOCKER_HOST="tcp://elsewhere:2375").stdout == "tcp://elsewhere:2375\n"


def test_root_gets_one_that_is_installed_started(machine: Path) -> None:
    client(machine)
    engine(machine)
    found = run(machine, "need-docker")
    assert (found.returncode, found.stdout) == (0, f"{SOCKET}\n")


def test_one_without_a_network_gets_another_beside_it(machine: Path) -> None:
    client(machine)
    engine(machine)
    for name in ("running", "no-network"):
        (machine / name).touch()
    beside = "unix:///run/wellspring-docker/docker.sock\n"
    first, second = run(machine, "need-docker"), run(machine, "need-docker")
    assert (first.returncode, first.stdout, first.stderr) == (0, beside, "starting Docker\n")
    assert (second.returncode, second.stdout, second.stderr) == (0, beside, "")


@pytest.mark.parametrize("package", ["docker.io", "docker-cli"])
def test_root_gets_docker_installed(machine: Path, package: str) -> None:
    """The client comes with the engine, or in a package of its own."""
    shelf = machine / "shelf"
    shelf.mkdir()
    client(shelf)
    engine(shelf)
    for path in shelf.iterdir():
        path.write_text(path.read_text().replace(str(shelf), str(machine)))
    move = f"/bin/mv {shelf}/docker {machine}/"
    engines = f"/bin/mv {shelf}/dockerd {shelf}/systemctl {machine}/"
    program(
        machine,
        "apt-get",
        "echo noise",
        f'case "$*" in *" docker.io "*) {engines}; {move if package == "docker.io" else ":"};; esac',
        f'case "$*" in *" docker-cli") {move};; esac',
    )
    done = run(machine, "need-docker")
    assert (done.returncode, done.stdout) == (0, f"{SOCKET}\n")


def test_an_engine_that_does_not_start_is_told(machine: Path) -> None:
    client(machine)
    program(machine, "dockerd", "exit 1")
    refused = run(machine, "need-docker")
    assert (refused.returncode, refused.stdout.startswith("Docker was started and does not answer")) == (1, True)


# ---- Chromium --------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("name", ["chromium", "chromium-browser"])
def test_a_chromium_on_the_path_is_found(machine: Path, name: str) -> None:
    program(machine, name)
    assert run(machine, "need-chromium").stdout == f"{machine / name}\n"


def test_the_chromium_that_is_named_is_taken_and_no_other(machine: Path) -> None:
    program(machine, "chromium")
    program(machine, "other")
    assert run(machine, "need-chromium", CHROMIUM="other").stdout == f"{machine / 'other'}\n"
    refused = run(machine, "need-chromium", CHROMIUM="absent")
    assert refused.returncode == 1
    assert refused.stderr == "CHROMIUM=absent is no program\n"


def test_root_gets_chromium_installed(machine: Path) -> None:
    chromium = machine / "chromium"
    program(
        machine,
        "apt-get",
        "echo noise",
        f'case "$*" in *" install "*" chromium") echo "#!/bin/sh" >{chromium}; /bin/chmod +x {chromium};; esac',
    )
    done = run(machine, "need-chromium")
    assert (done.returncode, done.stdout) == (0, f"{chromium}\n")


# ---- either ----------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("why", ["not root", "no apt-get", "apt-get fails"])
@pytest.mark.parametrize(
    ("script", "output", "said"),
    [
        ("need-docker", "stdout", "Docker is missing: install it (apt-get install docker.io, or Docker Desktop)"),
        ("need-chromium", "stderr", "Chromium is missing: install it"),
    ],
)
def test_else_it_says_in_one_line_what_to_install(machine: Path, script: str, output: str, said: str, why: str) -> None:
    if why == "not root":
        program(machine, "id", "echo 1000")
    if why != "no apt-get":
        program(machine, "apt-get", "exit 100")
    refused = run(machine, script)
    assert refused.returncode == 1
    assert refused.stdout.count("\n") == (output == "stdout")
    assert getattr(refused, output).splitlines()[-1].startswith(said)
