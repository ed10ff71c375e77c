"""Execution environments: workers that behave as Lambda's do when all is well and when it is not."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from multiprocessing import get_context
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest

from local.lambdas import InvocationError, Lambdas, RequestTooLargeError
from local.settings import ROOT
from local.template import Function
from tests.local.stack_process import lives, until

MODULE = dedent(
    """
    import os, sys, time

    def echo(event, context):
        return event

    def environment(event, context):
        return {"environment": dict(os.environ), "path": sys.path, "folder": os.getcwd(), "pid": os.getpid()}

    def context(event, context):
        time.sleep(event.get("sleep", 0))
        return {
            "name": context.function_name,
            "id": context.aws_request_id,
            "memory": context.memory_limit_in_mb,
            "left": context.get_remaining_time_in_millis(),
        }

    def fail(event, context):
        raise LookupError("not there")

    def leave(event, context):
        os._exit(3)

    def hang(event, context):
        time.sleep(60)

    def big(event, context):
        return "x" * 7_000_000

    def unserialisable(event, context):
        return {1, 2}

    def pid(event, context):
        time.sleep(0.2)
        return os.getpid()
    """
)
NAMES = ("echo", "environment", "context", "fail", "leave", "hang", "big", "unserialisable", "pid", "missing")


def function(name: str, environment: dict[str, str], *, module: str = "sample.module") -> Function:
    return Function(f"{name.title()}Function", f"{module}.{name}", 2, 512, environment, ())


@dataclass
class Sample:
    """The functions of this file's module, and where they log."""

    functions: dict[str, Function]
    lambdas: Lambdas
    log: Path

    def invoke(self, name: str, event: object = None) -> Any:
        return self.lambdas.invoke(self.functions[name], event)


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sample]:
    folder = tmp_path_factory.mktemp("functions")
    (folder / "sample").mkdir()
    (folder / "sample" / "module.py").write_text(MODULE)
    (folder / "sample" / "broken.py").write_text("import no_such_module")
    declared = {"FROM_TEMPLATE": "1", "REPLACED": "template"}
    functions = {name: function(name, declared) for name in NAMES}
    functions["broken"] = function("handler", declared, module="sample.broken")
    functions["other"] = replace(function("pid", {"FROM_TEMPLATE": "2"}), name="OtherFunction")
    overrides = {"PYTHONPATH": str(folder), "REPLACED": "local"}
    log = folder / "functions.log"
    lambdas = Lambdas(functions, {one.name: overrides for one in functions.values()}, log, concurrency=3)
    yield Sample(functions, lambdas, log)
    lambdas.stop()


def test_a_worker_sees_the_functions_environment_and_none_of_the_stacks(
    sample: Sample, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_PROFILE", "a-persons-own")
    seen = sample.invoke("environment")
    environment = seen["environment"]
    assert (environment["FROM_TEMPLATE"], environment["REPLACED"]) == ("1", "local")
    assert environment["AWS_REGION"] == "us-east-1"
    assert "AWS_PROFILE" not in environment
    assert "HOME" not in environment
    assert str(ROOT / "local") not in seen["path"]


def test_the_context_says_what_lambdas_says(sample: Sample) -> None:
    seen = sample.invoke("context", {"sleep": 0.1})
    assert (seen["name"], seen["memory"], len(seen["id"])) == ("ContextFunction", "512", 36)
    assert 0 < seen["left"] <= 1900


FAILURES = {
    "fail": "LookupError: not there",
    "leave": r"Runtime\.ExitError",
    # Long before the minute that it wants.
    "hang": r"Task timed out after 2\.00 seconds",
    "broken": r"Runtime\.ImportModuleError: No module named 'no_such_module'",
    "missing": r"Runtime\.HandlerNotFound",
    "unserialisable": r"Runtime\.MarshalError",
    "big": r"Function\.ResponseSizeTooLarge",
}


@pytest.mark.parametrize("name", FAILURES)
def test_a_failure_is_an_invocation_error_with_its_type_and_the_next_invocation_is_none_of_it(
    sample: Sample, name: str
) -> None:
    with pytest.raises(InvocationError, match=FAILURES[name]):
        sample.invoke(name)
    event = {"text": "ü", "list": [1, 2.5, None, True]}
    assert sample.invoke("echo", event) == event
    assert name != "fail" or 'raise LookupError("not there")' in sample.log.read_text()


def test_an_event_above_six_megabytes_is_refused(sample: Sample) -> None:
    assert sample.invoke("echo", "x" * 1_000_000) == "x" * 1_000_000
    with pytest.raises(RequestTooLargeError):
        sample.invoke("echo", "x" * 7_000_000)


def test_invocations_run_side_by_side_and_each_worker_takes_one_at_a_time(sample: Sample) -> None:
    with ThreadPoolExecutor(6) as threads:
        pids = list(threads.map(lambda _: sample.invoke("pid"), range(6)))
    assert len(set(pids)) == 3


def test_functions_share_workers_only_when_their_environments_are_equal(sample: Sample) -> None:
    assert sample.invoke("other") not in {sample.invoke("pid"), sample.invoke("environment")["pid"]}


def hold(folder: Path) -> None:
    """Invoke a function that does not end."""
    slow = Function("F", "slow.handler", 60, 128, {}, ())
    Lambdas({"F": slow}, {"F": {"PYTHONPATH": str(folder)}}, folder / "log").invoke(slow, str(folder / "pid"))


def test_workers_leave_with_their_parent_even_in_the_middle_of_an_invocation(tmp_path: Path) -> None:
    (tmp_path / "slow.py").write_text(
        "import os, time\ndef handler(event, context):\n open(event, 'w').write(str(os.getpid()))\n time.sleep(60)\n"
    )
    parent, file = get_context("spawn").Process(target=hold, args=(tmp_path,), daemon=True), tmp_path / "pid"
    parent.start()
    assert until(lambda: file.exists() and file.read_text() != "", 60)
    parent.kill()
    assert until(lambda: not lives(int(file.read_text())))
    parent.join()


def test_after_a_stop_nothing_runs_and_nothing_starts(tmp_path: Path) -> None:
    (tmp_path / "quick.py").write_text("import os\ndef handler(event, context):\n return os.getpid()\n")
    quick = Function("F", "quick.handler", 5, 128, {}, ())
    lambdas = Lambdas({"F": quick}, {"F": {"PYTHONPATH": str(tmp_path)}}, tmp_path / "log")
    lambdas.warm()
    worker = lambdas.invoke(quick, None)
    lambdas.stop()
    assert not lives(worker)
    with pytest.raises(InvocationError, match="Stopped"):
        lambdas.invoke(quick, None)
