"""A function that lists, asked for lists of random shapes: says what the collector's longest pause was, and waits.

Each list is drawn from what the resource declares, so that none of its filters, orders or sizes is left out.
"""

import gc
import importlib
import json
import random
import sys
import time
from typing import Any
from urllib.parse import quote

from wellspring.jsonapi.query import DELETED, RANGE_OPERATORS
from wellspring.resources import DIRECTIONS, Resource, resource_of

ANSWERED = (200, 400)
# How often a list is asked for as a service, and continued where it has a next page.
SERVICE, CONTINUED = 0.3, 0.3
SIZES = (1, 20, 60)


class Pauses:
    """The longest time that the garbage collector stood in the way; one of `gc.callbacks`."""

    def __init__(self) -> None:
        self._begun = 0.0
        self.longest = 0.0

    def __call__(self, phase: str, _info: object) -> None:
        """Note when a collection begins and how long it took."""
        now = time.perf_counter()
        if phase == "start":
            self._begun = now
        else:
            self.longest = max(self.longest, now - self._begun)


def query_of(chance: random.Random, resource: Resource, parents: dict[str, list[str]]) -> str:
    """Return the query string of a random list."""
    parameters: dict[str, str] = {"page[size]": str(chance.choice(SIZES))}
    for relationship in resource.to_one:
        if chance.random() < 0.4:
            known = parents[relationship.name]
            parameters[f"filter[{relationship.name}]"] = ",".join(chance.sample(known, min(3, len(known))))
    if chance.random() < 0.5:
        parameters["filter[direction]"] = chance.choice(DIRECTIONS)
    time_ = chance.choice(("created_at", "updated_at"))
    parameters["sort"] = chance.choice(("", "-")) + time_
    for operator in RANGE_OPERATORS:
        if chance.random() < 0.3:
            day = f"2025-{chance.randint(1, 12):02}-01T00:00:00Z"
            parameters[f"filter[{time_}][{operator}]"] = day
    parameters["filter[deleted]"] = chance.choice(DELETED)
    if chance.random() < 0.3:
        parameters["page[total]"] = "true"
    if chance.random() < 0.3:
        parameters["include"] = chance.choice(resource.includes)
    return "&".join(f"{name}={quote(value, safe=',')}" for name, value in parameters.items())


def main() -> None:
    """Ask as the argument says, which is JSON."""
    argument = json.loads(sys.argv[1])
    handler = importlib.import_module(argument["module"]).handler
    resource = resource_of(argument["resource"])
    chance = random.Random(argument["seed"])
    base: dict[str, Any] = argument["event"]
    person = base["requestContext"]["authorizer"]["jwt"]["claims"]
    service = {**person, "sub": "reader", "client_id": "reader", "scope": "system:read"}
    pauses = Pauses()
    gc.callbacks.append(pauses)
    left = argument["lists"]
    query = ""
    while left > 0:
        if not query:
            query = query_of(chance, resource, argument["parents"])
            base["requestContext"]["authorizer"]["jwt"]["claims"] = service if chance.random() < SERVICE else person
        answer = handler({**base, "rawQueryString": query}, None)
        assert answer["statusCode"] in ANSWERED, answer["body"]
        left -= 1
        following = json.loads(answer["body"]).get("links", {}).get("next")
        query = following.partition("?")[2] if following and chance.random() < CONTINUED else ""
    print(f"paused {pauses.longest}", flush=True)
    print("warm", flush=True)
    sys.stdin.read()


main()
