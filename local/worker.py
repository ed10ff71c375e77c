"""One execution environment: imports the handlers it is told and runs one invocation at a time.

Run as a script by `local.lambdas`, with the function's environment and nothing of the local stack on its path, so
that a handler finds here what it finds on Lambda and no more. Speaks JSON over the inherited socket; leaves the
moment its parent is gone, even in the middle of an invocation.
"""

import importlib
import json
import os
import queue
import sys
import threading
import time
import traceback
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Any

type Handler = Callable[[Any, "Context"], Any]


class Context:
    """The context object of Lambda's Python runtime."""

    def __init__(self, request: dict[str, Any]) -> None:
        self.function_name: str = request["function"]
        self.function_version = "$LATEST"
        self.invoked_function_arn: str = request["arn"]
        self.memory_limit_in_mb = str(request["memory"])
        self.aws_request_id: str = request["id"]
        self.log_group_name = "local"
        self.log_stream_name = f"local/[$LATEST]{os.getpid()}"
        self.identity = None
        self.client_context = None
        self._deadline = time.monotonic() + request["seconds"]

    def get_remaining_time_in_millis(self) -> int:
        """Return the milliseconds until the time limit, never below 0."""
        return max(0, int((self._deadline - time.monotonic()) * 1000))


def failure(error: BaseException, kind: str = "") -> dict[str, Any]:
    """Return `error` as Lambda reports it to the invoker, after writing its traceback to the log."""
    traceback.print_exception(error, file=sys.stderr)
    sys.stderr.flush()
    return {
        "errorMessage": str(error),
        "errorType": kind or type(error).__name__,
        "stackTrace": traceback.format_tb(error.__traceback__),
    }


def load(name: str) -> Handler | dict[str, Any]:
    """Import the handler `package.module.function`; return the failure if that cannot be done."""
    module, _, attribute = name.rpartition(".")
    try:
        handler: Handler = getattr(importlib.import_module(module), attribute)
    except AttributeError as error:
        return failure(error, "Runtime.HandlerNotFound")
    except Exception as error:  # noqa: BLE001  whatever the import raises is the invocation's answer
        return failure(error, "Runtime.ImportModuleError")
    return handler


def run(handler: Handler | dict[str, Any], request: dict[str, Any]) -> str:
    """Return the JSON answer to `request`: `{"result": …}` or `{"error": …}`."""
    if isinstance(handler, dict):
        return json.dumps({"error": handler})
    os.environ["AWS_LAMBDA_FUNCTION_NAME"] = request["function"]
    try:
        result = handler(request["event"], Context(request))
    except Exception as error:  # noqa: BLE001  Lambda reports whatever a handler raises
        return json.dumps({"error": failure(error)})
    try:
        return json.dumps({"result": result})
    except (TypeError, ValueError) as error:
        return json.dumps({"error": failure(error, "Runtime.MarshalError")})


def main(descriptor: int, names: list[str]) -> None:
    """Import `names`, say so, and answer requests until the socket ends."""
    connection = Connection(descriptor)
    requests: queue.SimpleQueue[bytes] = queue.SimpleQueue()

    def receive() -> None:
        try:
            while True:
                requests.put(connection.recv_bytes())
        except (EOFError, OSError):
            os._exit(0)

    threading.Thread(target=receive, daemon=True).start()
    handlers = {name: load(name) for name in names}
    connection.send_bytes(b"ready")
    while True:
        request = json.loads(requests.get())
        answer = run(handlers[request["handler"]], request)
        sys.stdout.flush()
        connection.send_bytes(answer.encode())


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2:])
