"""Makes resources over HTTP, as a principal of the demo does."""

import json
import urllib.request
from typing import Any
from urllib.error import HTTPError

from local.errors import Fault
from local.identity import Identity

MEDIA_TYPE = "application/vnd.api+json"


class Poster:
    """Posts to one API.

    Args:
        api_url: where it is, without a slash at its end.
        identity: who signs the callers' tokens.
    """

    def __init__(self, api_url: str, identity: Identity) -> None:
        self._api_url = api_url
        self._identity = identity

    def post(
        self,
        principal: str,
        path: str,
        type_: str,
        relationships: dict[str, Any],
        attributes: dict[str, Any] | None = None,
    ) -> str:
        """Make a resource, and return its id.

        Args:
            principal: the caller, by the name that `make token AS=…` knows.
            path: of the route.
            type_: of the resource.
            relationships: what it refers to: for each name a (type, id), or a list of them.
            attributes: its attributes.

        Raises Fault where it is refused.
        """
        document = {
            "data": {
                "type": type_,
                "attributes": attributes or {},
                "relationships": {name: {"data": _linkage(to)} for name, to in relationships.items()},
            }
        }
        request = urllib.request.Request(
            f"{self._api_url}{path}",
            json.dumps(document).encode(),
            {"authorization": f"Bearer {self._identity.token(principal)}", "content-type": MEDIA_TYPE},
        )
        try:
            with urllib.request.urlopen(request) as answer:
                return str(json.load(answer)["data"]["id"])
        except HTTPError as error:
            raise Fault(f"POST {path} is answered with {error.code}: {error.read().decode()[:300]}") from error


def _linkage(to: Any) -> Any:
    if isinstance(to, list):
        return [_linkage(each) for each in to]
    type_, id_ = to
    return {"type": type_, "id": id_}
