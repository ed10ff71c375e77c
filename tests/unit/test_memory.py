"""Memory of a process is bounded, however many different requests it has answered."""

import gc
import importlib
import inspect
import pkgutil
from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import ClauseElement

import wellspring
from wellspring.database.engine import make_engine
from wellspring.handlers.http import Response, http_handler
from wellspring.handlers.invocation import keep_imports
from wellspring.handlers.queue import consumer
from wellspring.plan_cache import STATEMENTS_KEPT
from wellspring.queries import Sort
from wellspring.repositories.ledger import pages
from wellspring.repositories.ledger.building import Shape
from wellspring.resources import COMPANY_WORKSPACE_CONNECTOR
from wellspring.settings import Settings

# What a cache without a bound may depend on: words and parts of the declarations, roles, the one file of authorities.
FEW = {"type_", "ledger", "direction", "section", "ca_file", "role"}
# Statements of what is declared, times a handful of flags.
MOST_KEPT = 128


def caches() -> Iterator[tuple[str, Any]]:
    for module in pkgutil.walk_packages(wellspring.__path__, "wellspring."):
        if module.name.endswith("__main__"):
            continue
        for name, found in vars(importlib.import_module(module.name)).items():
            if hasattr(found, "cache_parameters") and found.__module__ == module.name:
                yield f"{module.name}.{name}", found


def test_every_cache_is_bounded() -> None:
    unbounded = {
        name: set(inspect.signature(cached).parameters)
        for name, cached in caches()
        if cached.cache_parameters()["maxsize"] is None
    }
    assert len(unbounded) > 3
    assert set().union(*unbounded.values()) <= FEW
    assert max(cached.cache_parameters()["maxsize"] or 0 for _, cached in caches()) <= MOST_KEPT


def test_sqlalchemy_keeps_as_many_statements() -> None:
    engine = make_engine(Settings(db_host="localhost", db_user="nobody"))
    compiled: Any = engine._compiled_cache
    assert compiled.capacity == STATEMENTS_KEPT <= MOST_KEPT


def shape(number: int) -> Shape:
    conditions = tuple(
        (name, "in") for place, name in enumerate(("company", "workspace_connector")) if number >> place & 1
    )
    ranges = ("gte", "gt", "lte", "lt")
    conditions += tuple(("created_at", of) for place, of in enumerate(ranges) if number >> place + 2 & 1)
    return Shape(
        COMPANY_WORKSPACE_CONNECTOR,
        person=True,
        conditions=conditions,  # type: ignore[arg-type]  # operators, as strings
        direction=None,
        deleted="exclude",
        claimed=False,
        sort=Sort(),
        cursor=False,
        backward=False,
    )


def test_of_a_list_its_text_is_kept_and_no_tree() -> None:
    # Looked at is only what is made from now on.
    gc.collect()
    gc.freeze()
    kept = [(pages.page_statement(shape(number)), pages._count_statement(shape(number))) for number in range(40, 43)]
    gc.collect()
    trees = [known for known in gc.get_objects() if isinstance(known, ClauseElement)]
    gc.unfreeze()
    assert len({compiled.text for compiled, _ in kept}) == 3
    assert trees == []


@pytest.mark.parametrize("make", [lambda: http_handler(lambda _: Response()), lambda: consumer(lambda *_: [])])
def test_whoever_makes_a_handler_freezes_what_is_imported(make: Any) -> None:
    keep_imports.cache_clear()
    gc.unfreeze()
    try:
        make()
        assert gc.get_freeze_count() > 10_000
    finally:
        gc.unfreeze()
