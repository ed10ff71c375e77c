"""Sizes of the write path's statements: RDS Proxy pins the session of one beyond 16 KB."""

from uuid import uuid4

import pytest
from sqlalchemy import MetaData

from wellspring.messages import arrival
from wellspring.repositories.sync import completing
from wellspring.repositories.sync.disconnecting import end_rows
from wellspring.repositories.sync.effects import Effect, effects
from wellspring.repositories.sync.messages import Entry, Known, known, lock, proceed, write
from wellspring.repositories.sync.resolving import PROVIDER, Resolved, questions
from wellspring.repositories.sync.tables import RECORDS, RecordTables
from wellspring.work import Change, Invalidated, Matched, Problem, Synced

MOST_CHARACTERS = 4096
SCRATCH = [f"scratch_record_of_type_{number}" for number in range(8)]


@pytest.fixture
def types(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The record types, and eight more."""
    company = RECORDS["company"]
    for name in SCRATCH:
        metadata = MetaData()
        records = company.records.to_metadata(metadata, name=f"{name}s")
        provenance = company.provenance.to_metadata(metadata, name=f"{name}_workspace_connectors")
        monkeypatch.setitem(RECORDS, name, RecordTables(records, provenance))
    return list(RECORDS)


def test_no_statement_is_longer_than_four_kilobytes_however_many_types_there_are(types: list[str]) -> None:
    records = {type_: [str(uuid4())] for type_ in types}
    of_connector = {"group": "group", "workspace_connector_id": str(uuid4()), "records": records}
    unit: list[Change] = [
        Invalidated(id=str(uuid4()), direction=None, **of_connector),  # type: ignore[arg-type]  # one of several types
        Synced(id=str(uuid4()), direction="input", relink=True, **of_connector),  # type: ignore[arg-type]  # the same
        Matched(id=str(uuid4()), group="group", workspace_id=str(uuid4()), provider_ids=[str(uuid4())]),
    ]
    asked = questions(unit)
    found = Resolved(parent_pk=1, workspace_pk=1, pks=dict.fromkeys([*types, PROVIDER], "{1}"), problems=())
    written = effects([Effect(number, item, found) for number, item in enumerate(unit)])
    arrivals = [arrival("{}", group="group") for _ in unit]
    there = {"there": {"at": "infinity", **dict.fromkeys(types, 1)}}
    chunk = [end_rows(type_, 1, 1, there, 5000) for type_ in types]
    # The providers, and each type; each type twice, and the providers.
    assert len(asked) == 1 + len(types)
    assert len(written) == 1 + 2 * len(types)
    problems = (Problem("unknown_record", "company", str(uuid4())),)
    was = Known(
        1,
        "parked",
        "unknown_record",
        is_same=True,
        has_connector=False,
        is_overtaken=False,
        run_state=None,
        progress={},
    )
    entry = Entry(pk=1, arrival=arrivals[0], outcome="parked", connector_pk=1, problems=problems, was=was)
    noted = [known(arrivals), lock([str(uuid4())]), proceed(1, {}), *write([entry])]
    # The lock of people, the row with its connector's state, what it waited for, and what it waits for.
    assert len(noted) == 3 + 4
    statements = [str(each.statement) for each in (*asked.values(), *(each for _, each in written), *chunk, *noted)]
    of_runs = (completing.count_rows, completing.end_rows)
    statements += [str(statement(type_, "output")) for statement in of_runs for type_ in types]
    assert max(map(len, statements)) <= MOST_CHARACTERS
