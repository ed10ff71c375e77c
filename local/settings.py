"""Settings of the local stack, and the place of its state.

PORT and SQS_PORT choose the ports (0: any free one), LOCAL_VISIBILITY_TIMEOUT the seconds after which a failed
message comes back, CORS_ORIGINS the origins whose pages may call the API (commas between), WELLSPRING_STATE the folder
of everything the stack writes (default `.local`), THROTTLE_RATE and THROTTLE_BURST the requests a second to one route,
and at once above that, beyond which callers get 429 (0: no limit).
"""

import os
from dataclasses import dataclass, field
from pathlib import Path

from local.errors import Fault

ROOT = Path(__file__).resolve().parents[1]
DEFAULT_STATE = ROOT / ".local"
# The file by which `make clean` knows a folder that it may remove.
STATE_MARK = ".wellspring-state"
HOST = "127.0.0.1"
REGION = "us-east-1"
ACCOUNT_ID = "123456789012"
DATABASE = "wellspring"


def number(name: str, default: int, highest: int = 65535) -> int:
    """Return the environment variable `name` as a whole number from 0 to `highest`; raise Fault otherwise."""
    value = os.environ.get(name, "") or str(default)
    if not value.isascii() or not value.isdigit() or int(value) > highest:
        raise Fault(f"{name} must be a whole number from 0 to {highest}, not {value!r}")
    return int(value)


def state_folder() -> Path:
    """Return the folder of the stack's state; a relative WELLSPRING_STATE starts at the checkout."""
    return ROOT / (os.environ.get("WELLSPRING_STATE") or DEFAULT_STATE)


def make_state_folder(state: Path) -> None:
    """Make the folder `state` if it is missing, and mark it, unless it holds something that is not ours already."""
    state.mkdir(parents=True, exist_ok=True)
    if not any(state.iterdir()):
        (state / STATE_MARK).write_text("State of Wellspring's local stack. `make clean` removes this whole folder.\n")


def write_private(file: Path, text: str) -> None:
    """Write a file that its owner alone may read, and that nobody sees half written."""
    unfinished = file.with_suffix(".unfinished")
    unfinished.unlink(missing_ok=True)
    unfinished.touch(mode=0o600)
    unfinished.write_text(text)
    unfinished.replace(file)


def database_variables(host: str, port: int | None, password: str) -> dict[str, str]:
    """Return where a function finds the stack's database, and what opens it."""
    return {
        "DB_HOST": host,
        "DB_READ_HOST": "",
        "DB_PORT": str(port),
        "DB_NAME": DATABASE,
        "DB_AUTH": "password",
        "DB_PASSWORD": password,
        "DB_TLS": "off",
    }


@dataclass(frozen=True)
class Settings:
    """What one run of the stack was told."""

    state: Path = field(default_factory=state_folder)
    port: int = field(default_factory=lambda: number("PORT", 3000))
    sqs_port: int = field(default_factory=lambda: number("SQS_PORT", 3001))
    cors_origins: tuple[str, ...] = field(
        default_factory=lambda: tuple(filter(None, os.environ.get("CORS_ORIGINS", "").split(",")))
    )
    visibility_timeout: int = field(default_factory=lambda: number("LOCAL_VISIBILITY_TIMEOUT", 12, 43200))
    throttle_rate: int = field(default_factory=lambda: number("THROTTLE_RATE", 0))
    throttle_burst: int = field(default_factory=lambda: number("THROTTLE_BURST", 0))

    @property
    def logs(self) -> Path:
        """The folder of the functions' and servers' logs."""
        return self.state / "logs"

    @property
    def stack_file(self) -> Path:
        """The file that says where the running stack answers; absent while none runs."""
        return self.state / "stack.json"

    @property
    def postgres(self) -> Path:
        """The folder of the database cluster."""
        return self.state / "postgres"

    @property
    def queue_file(self) -> Path:
        """The file of the messages that nobody has taken yet."""
        return self.state / "queue.sqlite"
