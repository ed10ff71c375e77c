"""Lambda on one machine: worker processes that run the template's handlers with their own environments.

Functions whose environments are equal share the workers of a pool. A worker runs one invocation at a time; one
that exceeds the function's time limit or dies is replaced, and the invocation fails.
"""

import json
import os
import socket
import subprocess
import sys
import threading
import uuid
from collections.abc import Iterable, Mapping
from contextlib import suppress
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from local.settings import ACCOUNT_ID, REGION, ROOT
from local.template import Function

START_SECONDS = 30.0
LARGEST_PAYLOAD = 6 * 1024 * 1024
WORKER = Path(__file__).with_name("worker.py")


class InvocationError(Exception):
    """The function failed. `kind` is Lambda's error type, such as `Runtime.ExitError` or `ValueError`."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(f"{kind}: {message}")
        self.kind = kind


class RequestTooLargeError(InvocationError):
    """The event is larger than a synchronous invocation may be (6 MB)."""

    def __init__(self) -> None:
        super().__init__("RequestTooLarge", "the event is larger than 6 MB")


class Worker:
    """One worker process. Not thread-safe: the pool gives it to one invocation at a time."""

    def __init__(self, environment: Mapping[str, str], handlers: Iterable[str], log: Path) -> None:
        ours, theirs = socket.socketpair()
        with theirs, log.open("ab") as output:
            self._process = subprocess.Popen(
                # -P: the script's folder stays off the path, as on Lambda.
                [sys.executable, "-P", str(WORKER), str(theirs.fileno()), *handlers],
                env=dict(environment),
                cwd=ROOT,
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        self._connection = Connection(ours.detach())
        self._ready = False

    def invoke(self, request: bytes, seconds: float) -> bytes:
        """Return the worker's answer. Raises InvocationError when it dies or takes more than `seconds`."""
        try:
            if not self._ready:
                if not self._connection.poll(START_SECONDS):
                    raise InvocationError("Runtime.InitTimeout", f"no start in {START_SECONDS:.0f} seconds")
                self._connection.recv_bytes()
                self._ready = True
            self._connection.send_bytes(request)
            if not self._connection.poll(seconds):
                raise InvocationError("Sandbox.Timedout", f"Task timed out after {seconds:.2f} seconds")
            return self._connection.recv_bytes()
        except (EOFError, OSError) as error:
            raise InvocationError("Runtime.ExitError", "the worker ended before it answered") from error

    def kill(self) -> None:
        """Kill the process and collect it; an invocation that waits for it ends with an error."""
        self._process.kill()
        self._process.wait()

    def close(self) -> None:
        """Kill the process and close the connection, which nobody may be waiting on."""
        self.kill()
        self._connection.close()


class Pool:
    """Up to `size` workers for functions that share `environment`; they are started when first needed."""

    def __init__(self, functions: Iterable[Function], environment: Mapping[str, str], log: Path, size: int) -> None:
        self._handlers = sorted({function.handler for function in functions})
        self._environment = environment
        self._log = log
        self._slots = threading.BoundedSemaphore(size)
        self._lock = threading.Lock()
        self._idle: list[Worker] = []
        self._all: set[Worker] = set()
        self._stopped = False

    def warm(self, count: int = 1) -> None:
        """Start `count` workers without waiting for them."""
        for _ in range(count):
            worker = self._start()
            with self._lock:
                self._idle.append(worker)

    def _start(self) -> Worker:
        worker = Worker(self._environment, self._handlers, self._log)
        with self._lock:
            self._all.add(worker)
            stopped = self._stopped
        if stopped:
            self._discard(worker)
            raise InvocationError("Stopped", "the stack is stopping")
        return worker

    def _discard(self, worker: Worker) -> None:
        with self._lock:
            self._all.discard(worker)
        worker.close()

    def invoke(self, request: bytes, seconds: float) -> bytes:
        """Run one invocation on a free worker, waiting for one if all are busy."""
        with self._slots:
            with self._lock:
                worker = self._idle.pop() if self._idle else None
            worker = worker or self._start()
            try:
                answer = worker.invoke(request, seconds)
            except BaseException:
                self._discard(worker)
                raise
            with self._lock:
                if not self._stopped:
                    self._idle.append(worker)
                    return answer
            self._discard(worker)
            return answer

    def stop(self) -> None:
        """Kill every worker, idle or not."""
        with self._lock:
            self._stopped = True
            idle, self._idle = self._idle, []
            workers = list(self._all)
        for worker in workers:
            worker.kill()  # a busy one is closed by its invocation, which now fails
        for worker in idle:
            self._discard(worker)


class Lambdas:
    """The functions of a template, ready to be invoked.

    `overrides(function)` gives the environment variables that differ locally. `log` receives what handlers
    print. `concurrency` bounds the workers of one pool.
    """

    def __init__(
        self,
        functions: Mapping[str, Function],
        overrides: Mapping[str, Mapping[str, str]],
        log: Path,
        concurrency: int = 4,
    ) -> None:
        groups: dict[str, list[Function]] = {}
        for function in functions.values():
            environment = self._environment(function, overrides.get(function.name, {}))
            groups.setdefault(json.dumps(environment, sort_keys=True), []).append(function)
        self._pools: dict[str, Pool] = {}
        for shared, members in groups.items():
            pool = Pool(members, json.loads(shared), log, concurrency)
            self._pools.update({function.name: pool for function in members})

    @staticmethod
    def _environment(function: Function, overrides: Mapping[str, str]) -> dict[str, str]:
        """Return all a worker sees: what Lambda sets, then the template, then what is different locally."""
        # Without these two some Pythons do not start.
        kept = {name: os.environ[name] for name in ("PATH", "LD_LIBRARY_PATH") if name in os.environ}
        return {
            **kept,
            "LANG": "en_US.UTF-8",
            "TZ": ":UTC",
            "PYTHONUNBUFFERED": "1",
            "PYTHONPATH": os.pathsep.join(str(ROOT / folder) for folder in ("functions", *function.layers)),
            "AWS_REGION": REGION,
            "AWS_DEFAULT_REGION": REGION,
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(function.memory),
            "AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand",
            **function.environment,
            **overrides,
        }

    def warm(self) -> None:
        """Start one worker for each pool without waiting for it."""
        for pool in {id(pool): pool for pool in self._pools.values()}.values():
            pool.warm()

    def invoke(self, function: Function, event: Any) -> Any:
        """Return what the function's handler returns for `event`; raise InvocationError when it fails."""
        request = json.dumps(
            {
                "id": str(uuid.uuid4()),
                "function": function.name,
                "handler": function.handler,
                "arn": f"arn:aws:lambda:{REGION}:{ACCOUNT_ID}:function:{function.name}",
                "memory": function.memory,
                "seconds": function.timeout,
                "event": event,
            }
        ).encode()
        if len(request) > LARGEST_PAYLOAD:
            raise RequestTooLargeError
        answer = self._pools[function.name].invoke(request, function.timeout)
        if len(answer) > LARGEST_PAYLOAD:
            raise InvocationError("Function.ResponseSizeTooLarge", "the answer is larger than 6 MB")
        decoded = json.loads(answer)
        if "error" in decoded:
            raise InvocationError(decoded["error"]["errorType"], decoded["error"]["errorMessage"])
        return decoded["result"]

    def stop(self) -> None:
        """Kill every worker."""
        for pool in self._pools.values():
            with suppress(OSError):
                pool.stop()
