"""Cost of a fresh process: the time to its first answer, and its memory. Bytecode is cached beforehand."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from bench import PRODUCT_PATH, product
from bench.data import READER, TWENTY, Ledger
from bench.measure import MILLISECONDS, Result, compared, interleaved
from bench.run import Run

NAMES = ("cold_start", "memory", "token")
COLD_AIM = 1.15
MEMORY_AIM = 1.3
FRESH = Path(__file__).with_name("fresh")
WARM_REQUESTS = 200
CREDENTIALS = {"AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "x", "AWS_SESSION_TOKEN": "x"}


class Program:
    """One of the programs in `fresh/`, run as often as wanted.

    Args:
        name: of its file.
        environment: what it finds.
        argument: given to it as JSON.
    """

    def __init__(self, name: str, environment: Mapping[str, str], argument: object) -> None:
        # -P: its folder stays off the path, as on Lambda.
        self._command = [sys.executable, "-P", str(FRESH / f"{name}.py"), json.dumps(argument)]
        self._environment = {"PATH": os.environ.get("PATH", ""), "PYTHONPATH": os.pathsep.join(PRODUCT_PATH)}
        self._environment |= environment

    def answer_after(self) -> float:
        """Return the milliseconds from before its start to its first line, which it writes when it has an answer."""
        begin = time.perf_counter()
        with self._running() as process:
            self._wait_for("answered", process)
            elapsed = (time.perf_counter() - begin) * MILLISECONDS
            self._wait_for("warm", process)
        return elapsed

    def mebibytes(self) -> float:
        """Return the memory that it has in use once it is warm."""
        with self._running() as process:
            self._wait_for("warm", process)
            return _mebibytes_of(process)

    def mebibytes_and(self, word: str) -> tuple[float, float]:
        """Return the memory that it has in use once it is warm, and the number that it has said behind `word`."""
        with self._running() as process:
            said = self._wait_for(word, process)
            self._wait_for("warm", process)
            return _mebibytes_of(process), float(said)

    @contextmanager
    def _running(self) -> Iterator[subprocess.Popen[str]]:
        with subprocess.Popen(
            self._command, env=self._environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        ) as process:
            yield process
            # The end of its input, upon which it leaves.
            process.communicate()

    @staticmethod
    def _wait_for(word: str, process: subprocess.Popen[str]) -> str:
        """Return what stands behind `word` in the line that begins with it."""
        assert process.stdout is not None
        # The handler's log lines come by the same way.
        for line in process.stdout:
            said, _, rest = line.rstrip("\n").partition(" ")
            if said == word:
                return rest
        raise RuntimeError(f"the program ended without an answer (exit code {process.wait()})")


def _mebibytes_of(process: subprocess.Popen[str]) -> float:
    command = ["ps", "-o", "rss=", "-p", str(process.pid)]
    return int(subprocess.run(command, capture_output=True, text=True, check=True).stdout) / 1024


def measure(run: Run) -> Iterator[Result]:
    """Measure a retrieve in a fresh process, beside a process that only imports and asks once."""
    ledger = run.big()
    run.say("cold start and memory")
    variables = product.environment(ledger, READER)
    cold = [Program(name, variables, _argument(ledger, 1)) for name in ("handler", "imports")]
    samples = interleaved([program.answer_after for program in cold], rounds=run.samples(10), warm_up=1)
    yield compared("cold_start", *samples, aim=COLD_AIM)
    warm = [Program(name, variables, _argument(ledger, WARM_REQUESTS)) for name in ("handler", "imports")]
    samples = interleaved([program.mebibytes for program in warm], rounds=3, warm_up=0)
    yield compared("memory", *samples, unit="MiB", aim=MEMORY_AIM)
    signing = [Program(name, CREDENTIALS, {}) for name in ("token", "token_by_boto3")]
    yield compared("token", *interleaved([each.answer_after for each in signing], rounds=run.samples(10), warm_up=1))


def _argument(ledger: Ledger, requests: int) -> object:
    person, row = ledger.member(TWENTY), ledger.row_of(TWENTY)
    return {
        "module": product.RETRIEVE,
        "event": product.get(person, id_=row),
        "person": str(person),
        "row": str(row),
        "requests": requests,
    }
