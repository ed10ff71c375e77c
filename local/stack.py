"""Starts every part of the local stack in order, keeps it running, and takes it down again.

The order is: database, queue, workers, migrations, demo data, and only then the API's port. Whoever can connect
finds everything ready.
"""

import asyncio
import json
import logging
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from types import FrameType
from typing import Any
from uuid import UUID

from local import demo_data, sam
from local.access_log import AccessLog
from local.api import Api
from local.demo import Demo, make
from local.demo_data import OPERATOR_CLAIM, OPERATORS
from local.errors import Fault
from local.example_ids import demo_id
from local.gateway import Gateway, Server, Throttle
from local.identity import Identity
from local.lambdas import InvocationError, Lambdas
from local.notices import Notices
from local.payload import Request, to_event
from local.poller import Poller
from local.postgres import Cluster, connected
from local.processes import listen_on
from local.queue import BUS_ARN, QueueServer, client
from local.schedule import Schedule
from local.settings import (
    DATABASE,
    DEFAULT_STATE,
    HOST,
    ROOT,
    Settings,
    database_variables,
    make_state_folder,
    write_private,
)
from local.sign_in import CLIENT_ID
from local.template import Template

FEEDER, PUBLISHER = "wellspring_feeder", "wellspring_publisher"
# The publisher stays for the minute of its schedule, so the next one is due when it returns.
AT_ONCE_SECONDS = 1.0
LOG_BYTES = 20_000_000
# So often within so long Postgres is started again.
MOST_REVIVED = 3
REVIVED_SECONDS = 60.0
WATCH_SECONDS = 0.5
STARTING_SECONDS = 0.01
# What the shell puts a new one for.
ANY_ID = str(UUID(int=0))
# The gateway's threads wait for workers; more of them than workers keeps slow calls from blocking quick ones.
GATEWAY_THREADS = 32

STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class _Stopped(BaseException):
    """A signal asked the stack to stop while it was starting."""


class Stack:
    """One run of the local stack. Raises Fault for settings that cannot work."""

    def __init__(self, settings: Settings) -> None:
        if settings.port and settings.port == settings.sqs_port:
            raise Fault(f"PORT and SQS_PORT are both {settings.port}; set one of them to another")
        self._settings = settings
        self._began = time.monotonic()
        self._template = Template()
        self._identity = Identity(settings.state, settings.port)
        # samconfig.toml knows this state only; no other stack opens its database to containers.
        self._door = sam.guests() if settings.state == DEFAULT_STATE else None
        guests = (self._door.address, self._door.network) if self._door else None
        self._cluster = Cluster(settings.postgres, guests=guests)
        self._queue = QueueServer(
            self._template,
            settings.sqs_port,
            settings.queue_file,
            settings.logs / "queue.log",
            settings.visibility_timeout,
        )
        self._database_url = ""
        self._facts: dict[str, str] = {}
        # When Postgres was started again.
        self._revived: list[float] = []
        self._server: Server | None = None
        self._stopping = False

    def run(self) -> None:
        """Start, serve until a signal comes, stop. Raises Fault when a part cannot start or ends by itself."""
        with ExitStack() as parts:
            try:
                for signum in STOP_SIGNALS:
                    # Under nohup the end of the terminal is none of our business.
                    if signum != signal.SIGHUP or signal.getsignal(signum) != signal.SIG_IGN:
                        signal.signal(signum, self._on_signal)
                server, listener = self._start(parts)
                self._server = server
                asyncio.run(self._serve(server, listener))
            except _Stopped:
                pass
            finally:
                self._stopping = True
            self._say("stopping")
        self._say("stopped")

    def _on_signal(self, signum: int, _frame: FrameType | None) -> None:
        if self._stopping:
            if signum == signal.SIGINT:
                os._exit(1)  # a second Ctrl-C does not wait: whatever is left dies with this process
        elif self._server is None:
            self._stopping = True
            raise _Stopped
        else:
            self._server.should_exit = True

    # ---- start ----------------------------------------------------------------------------------------
    def _start(self, parts: ExitStack) -> tuple[Server, socket.socket]:
        settings = self._settings
        make_state_folder(settings.state)
        settings.logs.mkdir(exist_ok=True)
        self._prepare_logs()
        listener = parts.enter_context(listen_on(settings.port))
        api_url = f"http://{HOST}:{listener.getsockname()[1]}"

        first = not (settings.postgres / "data").exists()
        self._say("making the database cluster and starting Postgres" if first else "starting Postgres")
        parts.enter_context(self._cluster)
        # The cluster's lock says that no other stack runs here, so what lies there is of one that was killed.
        settings.stack_file.unlink(missing_ok=True)
        parts.callback(settings.stack_file.unlink, missing_ok=True)
        self._database_url = self._cluster.url(DATABASE)
        if settings.state == DEFAULT_STATE:
            sam.write_parameters()
            (sam.FOLDER / "environment.json").unlink(missing_ok=True)
        if self._door:
            reached = sam.write_environment(self._door, self._cluster.port, self._cluster.password)
            parts.callback(reached.unlink, missing_ok=True)

        self._say("starting the queue and the functions' workers")
        parts.callback(self._queue.stop)
        self._queue.start()
        # What nothing here calls, such as the migration of a deployment, needs no worker.
        called = self._template.called
        lambdas = Lambdas(called, self._overrides(api_url), settings.logs / "functions.log")
        parts.callback(lambdas.stop)
        lambdas.warm()

        self._say("migrating the database")
        self._migrate()

        self._queue.make_queues()
        self._queue.make_bucket()
        events_queue_url = self._queue.make_bus()
        sqs = client(self._queue.endpoint_url)
        notices = Notices(settings.logs / "functions.log", self._say, f"{self._log_hint()}/functions.log")
        notices.start()
        parts.callback(notices.stop)
        for consumer, source in self._template.queue_sources:
            declared = self._template.queues[source.queue]
            poller = Poller(
                sqs,
                self._queue.urls[source.queue],
                declared.arn,
                source,
                partial(lambdas.invoke, consumer),
                hidden_seconds=int(declared.attributes["VisibilityTimeout"]),
                retry_seconds=settings.visibility_timeout,
                maximum_receives=declared.maximum_receives,
                on_dead_letter=notices.dead_letter,
            )
            poller.start()
            parts.callback(poller.stop)
        schedule = Schedule(
            [
                (function, AT_ONCE_SECONDS if function.environment["DB_USER"] == PUBLISHER else seconds)
                for function, seconds in self._template.schedules
            ],
            lambdas.invoke,
        )
        schedule.start()
        parts.callback(schedule.stop)

        self._identity.move_to(api_url)
        self._facts = {
            "api_url": api_url,
            "database_url": self._database_url,
            "sqs_endpoint_url": self._queue.endpoint_url,
            "queue_url": self._queue.urls["SyncQueue"],
            "dlq_url": self._queue.urls["SyncDeadLetterQueue"],
            "feed_queue_url": self._queue.urls["FeedQueue"],
            "feed_dlq_url": self._queue.urls["FeedDeadLetterQueue"],
            "events_queue_url": events_queue_url,
            "s3_endpoint_url": self._queue.endpoint_url,
            "bucket": self._template.bucket.name,
            "issuer": self._identity.issuer,
        }
        self._load_demo(sqs, lambdas)
        self._check_health(lambdas)
        return self._make_server(lambdas, parts, self._throttle()), listener

    def _overrides(self, api_url: str) -> dict[str, dict[str, str]]:
        """Return, for each function, the environment variables that are different here."""
        here = database_variables(HOST, self._cluster.port, self._cluster.password) | {
            "DB_PIPELINING": os.environ.get("DB_PIPELINING", "true"),
            "OPERATOR_CLAIM": OPERATOR_CLAIM,
            "OPERATOR_VALUE": OPERATORS,
        }
        # Of the loader and those that share their workers with it, and of the publisher.
        keys = {"AWS_ACCESS_KEY_ID": "local", "AWS_SECRET_ACCESS_KEY": "local"}
        services = {
            FEEDER: keys | {"AWS_ENDPOINT_URL_S3": self._queue.endpoint_url},
            PUBLISHER: keys | {"AWS_ENDPOINT_URL_EVENTBRIDGE": self._queue.endpoint_url},
        }
        origins = {"CORS_ORIGINS": ",".join(self._settings.cors_origins)}
        # The port is known; the issuer is moved to it later.
        console = {"CONSOLE_ISSUER": f"{api_url}/issuer", "CONSOLE_CLIENT_ID": CLIENT_ID}
        level = {"LOG_LEVEL": os.environ["LOG_LEVEL"]} if os.environ.get("LOG_LEVEL") else {}
        return {
            name: here
            | level
            | services.get(function.environment["DB_USER"], {})
            | ({"EVENT_BUS": BUS_ARN} if "EVENT_BUS" in function.environment else {})
            | (console if "CONSOLE_ISSUER" in function.environment else {})
            | (origins if "CORS_ORIGINS" in function.environment else {})
            | ({"ISSUER": console["CONSOLE_ISSUER"]} if "ISSUER" in function.environment else {})
            for name, function in self._template.functions.items()
        }

    def _migrate(self) -> None:
        # The revisions compare themselves with the models, which live in the layer.
        sys.path[:0] = [str(ROOT), str(ROOT / "layers" / "shared")]
        from migrations import run  # noqa: PLC0415  after the line above, and while the workers import too

        if not self._cluster.has_database(DATABASE):
            self._cluster.create_database(DATABASE)
        if self._door:
            # For the migration function in a container.
            self._cluster.make_like_rds()
        try:
            run.upgrade(self._database_url)
        except run.OtherHistory as error:
            raise Fault(
                f"the database is of another release: nobody here knows its revision {error};"
                " `make clean` removes it, and `make run` begins anew"
            ) from error
        self._cluster.let_in(*run.ROLES)

    def _load_demo(self, sqs: Any, lambdas: Lambdas) -> None:
        self._say("checking the demo data")
        with connected(self._database_url) as connection:
            demo = Demo(connection, sqs, self._facts["queue_url"], self._facts["feed_queue_url"])
            told = demo.send_events()
            if told:
                self._say(f"waiting for the feed: {told} events sent through its queue")
            demo.wait_for_parents()
            sent = demo.send_messages()
            if sent:
                self._say(f"waiting for the sync consumer: {sent} matches and runs sent through the queue")
            demo.wait()
            own = demo.lacking()
            if own:
                self._say("making the group and the choices of providers over HTTP")
                with self._served_apart(lambdas) as api_url:
                    make(own, Api(api_url, self._identity))

    @contextmanager
    def _served_apart(self, lambdas: Lambdas) -> Iterator[str]:
        """Serve the API on a port of its own meanwhile: whoever can connect to the stack's finds everything ready."""
        with ExitStack() as parts:
            listener = parts.enter_context(listen_on(0))
            server = self._make_server(lambdas, parts, throttle=None)
            thread = threading.Thread(target=asyncio.run, args=(server.serve(sockets=[listener]),), name="demo")
            thread.start()
            try:
                while not server.started:
                    if not thread.is_alive():
                        raise Fault(f"the API cannot be served (see {self._log_hint()}/stack.log)")
                    time.sleep(STARTING_SECONDS)
                yield f"http://{HOST}:{listener.getsockname()[1]}"
            finally:
                server.should_exit = True
                thread.join()

    def _check_health(self, lambdas: Lambdas) -> None:
        """Invoke the health function as `GET /health` would, so that its worker is warm and the answer known."""
        route = next(route for route in self._template.routes if route.path == "/health")
        event = to_event(Request("GET", "/health", "", [("host", HOST)], b""), route.key, {}, None)
        try:
            answer = lambdas.invoke(route.function, event)
        except InvocationError as error:
            raise Fault(f"the health function fails: {error} (see {self._log_hint()})") from error
        if answer.get("statusCode") != 200:  # noqa: PLR2004  HTTP's OK
            raise Fault(f"the health function says {answer} (see {self._log_hint()})")

    # ---- serve ----------------------------------------------------------------------------------------
    def _throttle(self) -> Throttle | None:
        rate, burst = self._settings.throttle_rate, self._settings.throttle_burst
        # One that is set alone counts for both.
        return Throttle(rate or burst, burst or rate) if rate or burst else None

    def _make_server(self, lambdas: Lambdas, parts: ExitStack, throttle: Throttle | None) -> Server:
        executor = ThreadPoolExecutor(GATEWAY_THREADS, thread_name_prefix="gateway")
        parts.callback(executor.shutdown, wait=False, cancel_futures=True)
        template = self._template
        cors = template.cors(self._settings.cors_origins)
        log = AccessLog(self._settings.logs / "access.log", template.access_log)
        parts.callback(log.close)
        return Server(
            Gateway(template.routes, template.audience, self._identity, lambdas.invoke, executor, cors, throttle, log)
        )

    async def _serve(self, server: Server, listener: socket.socket) -> None:
        serving = asyncio.create_task(server.serve(sockets=[listener]))
        announced = False
        try:
            while not serving.done():
                if server.started and not announced:
                    self._announce()
                    announced = True
                self._watch_children()
                await asyncio.wait([serving], timeout=WATCH_SECONDS if announced else STARTING_SECONDS)
        finally:
            server.should_exit = True
            try:
                await serving
            except OSError as error:
                # Bound all along, but somebody else was quicker to listen.
                raise Fault(f"port {listener.getsockname()[1]} is taken ({error.strerror})") from error

    def _watch_children(self) -> None:
        """Start Postgres again where it has ended, as RDS does; raise Fault where the queue has, which starts empty."""
        if not self._queue.is_running:
            raise Fault(f"the queue server ended by itself (see {self._log_hint()})")
        if self._cluster.is_running:
            return
        now = time.monotonic()
        self._revived = [*(at for at in self._revived if now - at < REVIVED_SECONDS), now]
        if len(self._revived) > MOST_REVIVED:
            raise Fault(f"Postgres ends by itself again and again (see {self._log_hint()})")
        self._say("Postgres ended by itself: it is started again")
        # In this thread: Linux ends the server with the thread that has started it.
        self._cluster.revive()
        self._say("Postgres is back")

    def _announce(self) -> None:
        write_private(self._settings.stack_file, json.dumps(self._facts, indent=2) + "\n")
        self._say(f"ready: {self._facts['api_url']}/console shows the ledger, {self._facts['api_url']}/docs its API")
        if self._door:
            self._say(sam.hint())
        print(f"\nLogs of the functions: {self._log_hint()}/functions.log. Stop with Ctrl-C.")
        print("Paste into another terminal, in this folder:\n")
        for title, command in commands(self._facts):
            print(f"# {title}\n{command}\n", flush=True)

    # ---- telling --------------------------------------------------------------------------------------
    def _say(self, text: str) -> None:
        print(f"{time.monotonic() - self._began:5.1f} s  {text}", flush=True)

    def _log_hint(self) -> Path:
        logs = self._settings.logs
        return logs.relative_to(ROOT) if logs.is_relative_to(ROOT) else logs

    def _prepare_logs(self) -> None:
        for log in self._settings.logs.glob("*.log"):
            if log.stat().st_size > LOG_BYTES:
                log.replace(log.with_suffix(".log.old"))
        logging.basicConfig(
            filename=self._settings.logs / "stack.log",
            level=logging.WARNING,
            format="%(asctime)s %(levelname)s %(name)s %(message)s",
        )


def commands(facts: dict[str, str]) -> list[tuple[str, str]]:
    """Return the three commands a newcomer pastes, each with what it shows."""
    python = ".venv/bin/python" if (ROOT / ".venv/bin/python").exists() else sys.executable
    company = demo_id("company", "a", 7)
    connector = demo_id("workspace_connector", "a", 1)
    body = json.dumps(
        demo_data.message(ANY_ID, connector, "input", [{"type": "company", "id": company}]),
        separators=(",", ":"),
    ).replace(ANY_ID, "'$ID'")
    listing = f"{facts['api_url']}/v1/company-workspace-connectors"
    signed_in = '-H "Authorization: Bearer $(make --silent token AS=owner)"'
    sending = (
        f"ID=$({python} -m uuid); curl -s {facts['queue_url']} --data-urlencode Action=SendMessage \\\n"
        f"  --data-urlencode MessageGroupId={connector} --data-urlencode MessageDeduplicationId=$ID \\\n"
        f"  --data-urlencode 'MessageBody={body}'; echo"
    )
    return [
        (
            "What the owner of workspace A sees: the newest three rows, with their companies.",
            f'curl -sg {signed_in} "{listing}?page[size]=3&include=company"; echo',
        ),
        ("A connector brings a company in once more: a sync message, into the queue.", sending),
        (
            "Its effect: the newest row of that company.",
            f'curl -sg {signed_in} "{listing}?filter[company]={company}&page[size]=1"; echo',
        ),
    ]


def stop_with_parent() -> None:
    """Stop this process as SIGTERM does when its parent ends: `make run` that was killed takes the stack along."""
    parent = os.getppid()

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(WATCH_SECONDS)
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=watch, name="parent", daemon=True).start()
