"""The API of a running stack, as a principal of the demo asks it."""

import json
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

from local.errors import Fault
from local.identity import Identity

MEDIA_TYPE = "application/vnd.api+json"
CONFLICT = 409


class Api:
    """The API at `url`, which has no slash at its end; `identity` signs the callers' tokens."""

    def __init__(self, url: str, identity: Identity) -> None:
        self._url = url
        self._identity = identity

    def call(self, principal: str, method: str, path: str, document: Any = None, *, may_conflict: bool = False) -> Any:
        """Return the document of the answer to a principal that `make token AS=…` knows.

        None where it is 409 and may be. Raises Fault where it is refused.
        """
        headers = {"authorization": f"Bearer {self._identity.token(principal)}", "content-type": MEDIA_TYPE}
        body = None if document is None else json.dumps(document).encode()
        try:
            with urlopen(Request(self._url + path, body, headers, method=method)) as answer:
                return json.load(answer)
        except HTTPError as error:
            with error:
                if may_conflict and error.code == CONFLICT:
                    return None
                problems = json.loads(error.read()).get("errors", [])
            said = "; ".join(problem["detail"] for problem in problems) or error.reason
            raise Fault(f"{method} {path} was refused: {said}") from None

    def make(
        self,
        principal: str,
        path: str,
        type_: str,
        relationships: dict[str, Any],
        attributes: dict[str, Any] | None = None,
    ) -> str:
        """Make a resource that refers to (type, id) or a list of them, and return its id. Raises Fault as `call`."""
        linked = {name: {"data": _linkage(to)} for name, to in relationships.items()}
        data = {"type": type_, "attributes": attributes or {}, "relationships": linked}
        return str(self.call(principal, "POST", path, {"data": data})["data"]["id"])


def _linkage(to: Any) -> Any:
    if isinstance(to, list):
        return [_linkage(each) for each in to]
    type_, id_ = to
    return {"type": type_, "id": id_}
