"""`make export WORKSPACE=… OUT=…`: has the running stack's exporter write a workspace, and puts its parts together."""

import gzip
import hashlib
import os
import shutil
import sys
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from local.errors import Fault
from local.lambdas import InvocationError, Lambdas
from local.queue import client
from local.running import facts
from local.settings import Settings, database_variables
from local.template import Template

FUNCTION = "MaintenanceExportFunction"


def export(settings: Settings, workspace: str, out: str) -> int:
    """Write all of a workspace into the file called `out`, gzip where it ends in `.gz`; return how many lines it has.

    What is stopped goes on where it was when it is called again for the same file. The file is there when it is whole.

    Raises Fault when no stack runs, there was never such a workspace, or the file cannot be written.
    """
    stack = facts(settings)
    path = Path(out).absolute()
    if not out or path.is_dir() or not path.parent.is_dir():
        raise Fault(f"OUT names no file in a folder that is there: {out}")
    function = Template().functions[FUNCTION]
    lambdas = Lambdas({FUNCTION: function}, {FUNCTION: _environment(stack)}, settings.logs / "functions.log")
    event = {"workspace": workspace, "run": f"of-{hashlib.sha256(os.fsencode(path)).hexdigest()[:16]}"}
    try:
        while True:
            answer: dict[str, Any] = lambdas.invoke(function, event)
            print(f"{answer['lines']:,} lines", file=sys.stderr)
            if answer["outcome"] == "done":
                break
    except InvocationError as error:
        raise Fault(f"the export failed: {error}") from error
    finally:
        lambdas.stop()
    s3 = client(stack["s3_endpoint_url"], "s3")
    _put_together(s3, answer["bucket"], answer["parts"], path)
    for key in (*answer["parts"], f"exports/{answer['workspace']}/{answer['run']}/export.json"):
        s3.delete_object(Bucket=answer["bucket"], Key=key)
    lines: int = answer["lines"]
    return lines


def _environment(stack: dict[str, str]) -> dict[str, str]:
    """Return what is different here from what the template says."""
    url = urlsplit(stack["database_url"])
    return database_variables(url.hostname or "", url.port, unquote(url.password or "")) | {
        "EXPORT_BUCKET": stack["bucket"],
        "AWS_ENDPOINT_URL_S3": stack["s3_endpoint_url"],
        "AWS_ACCESS_KEY_ID": "local",
        "AWS_SECRET_ACCESS_KEY": "local",
    }


def _put_together(s3: Any, bucket: str, parts: list[str], path: Path) -> None:
    beside = path.with_name(f".{path.name}.part")
    try:
        with gzip.open(beside, "wb") if path.suffix == ".gz" else beside.open("wb") as whole:
            for key in parts:
                with gzip.open(s3.get_object(Bucket=bucket, Key=key)["Body"]) as part:
                    shutil.copyfileobj(part, whole)
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)
