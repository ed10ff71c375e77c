"""The one renderer of errors (contract, section 4, "Errors")."""

from typing import Any

from wellspring.errors import Problems, WellspringError


def error_document(error: WellspringError, request_id: str) -> dict[str, Any]:
    """Return the error document of `error`; every error object's `id` is the request's id in the log."""
    problems = error.problems if isinstance(error, Problems) else (error,)
    return {"jsonapi": {"version": "1.1"}, "errors": [_error_object(problem, request_id) for problem in problems]}


def _error_object(error: WellspringError, request_id: str) -> dict[str, Any]:
    document: dict[str, Any] = {
        "id": request_id,
        "status": str(int(error.status)),
        "code": error.code,
        "title": error.title,
        "detail": error.detail,
    }
    if error.type_link:
        document["links"] = {"type": error.type_link}
    if error.source:
        document["source"] = error.source
    if error.meta:
        document["meta"] = dict(error.meta)
    return document
