"""EventBridge of the local stack: invokes the functions that template.yaml puts on a schedule."""

import logging
import threading
from collections.abc import Callable, Sequence
from typing import Any

from local.template import Function

logger = logging.getLogger(__name__)


class Schedule:
    """Invokes each of (function, seconds) every so many seconds, one after the other, until stopped."""

    def __init__(
        self, functions: Sequence[tuple[Function, float]], invoke: Callable[[Function, dict[str, Any]], object]
    ) -> None:
        self._invoke = invoke
        self._stopping = threading.Event()
        self._threads = [
            threading.Thread(target=self._run, args=(function, seconds), name=f"schedule-{function.name}", daemon=True)
            for function, seconds in functions
        ]

    def start(self) -> None:
        """Begin; each function is invoked for the first time when its seconds are over."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Invoke nothing any more; what runs is ended with its worker."""
        self._stopping.set()

    def _run(self, function: Function, seconds: float) -> None:
        while not self._stopping.wait(seconds):
            try:
                self._invoke(function, {})
            except Exception:
                if not self._stopping.is_set():
                    logger.exception("%s failed on its schedule", function.name)
