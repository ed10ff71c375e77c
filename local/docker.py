"""The Docker engine that `local/need-docker` found: what it runs on, and how its containers reach this machine."""

import json
import socket
import subprocess
from dataclasses import dataclass
from ipaddress import IPv4Network, ip_network

from local.errors import Fault
from local.settings import HOST

# Docker's names of processors, and Lambda's.
ARCHITECTURES = {"amd64": "x86_64", "arm64": "arm64"}


# The image of Lambda's runtime for Python, of which there is one for each processor.
RUNTIME = "public.ecr.aws/lambda/python:3.13"
# An engine that takes longer to say a word hangs.
SECONDS = 20.0


def docker(*arguments: str, seconds: float | None = None) -> str:
    """Return what `docker` with `arguments` prints. Raises Fault with what it complains of, or after `seconds`."""
    try:
        done = subprocess.run(["docker", *arguments], capture_output=True, text=True, check=False, timeout=seconds)
    except subprocess.TimeoutExpired as error:
        raise Fault("Docker does not answer") from error
    except OSError as error:
        raise Fault(f"docker cannot be run: {error.strerror}") from error
    if done.returncode:
        raise Fault(f"docker {arguments[0]}: {(done.stderr.strip().splitlines() or ['failed'])[-1]}")
    return done.stdout.strip()


def architecture() -> str:
    """Return the engine's processor as Lambda calls it: its containers run on that one without emulation."""
    found = docker("version", "--format", "{{.Server.Arch}}")
    if found not in ARCHITECTURES:
        raise Fault(f"Lambda has no {found}, which the Docker engine runs on")
    return ARCHITECTURES[found]


def has_runtime() -> bool:
    """Say whether the engine has the image of Lambda's runtime for its processor. Raises Fault without an engine."""
    image = f"{RUNTIME}-{architecture()}"
    return image in docker("image", "ls", "--format", "{{.Repository}}:{{.Tag}}", seconds=SECONDS).split()


@dataclass(frozen=True)
class Door:
    """How a container reaches a server of this machine.

    Attributes:
        address: where the server listens.
        name: what the container calls it.
        network: where the container comes from, as the server sees it.
    """

    address: str
    name: str
    network: str


def door() -> Door:
    """Return the door of containers in the default network: the bridge's own address, which nobody else can reach.

    Docker Desktop and its like keep the bridge in a virtual machine, and let containers in at the loopback.
    """
    inspect = ("network", "inspect", "bridge", "--format", "{{json .IPAM.Config}}")
    configuration = json.loads(docker(*inspect, seconds=SECONDS))
    for each in configuration or []:
        network = ip_network(each["Subnet"])
        if isinstance(network, IPv4Network):
            # An engine that chose the network itself says nothing of the gateway, which is the first address then.
            address = each.get("Gateway") or str(network[1])
            if _is_ours(address):
                return Door(address, address, str(network))
    return Door(HOST, "host.docker.internal", f"{HOST}/32")


def _is_ours(address: str) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as attempt:
        try:
            attempt.bind((address, 0))
        except OSError:
            return False
    return True
