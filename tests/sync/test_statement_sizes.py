"""How long the statements of the write path are: RDS Proxy pins the session of one beyond 16 KB."""

from uuid import uuid4

import pytest
from sqlalchemy import MetaData

from wellspring.repositories.sync.applying import effects
from wellspring.repositories.sync.disconnecting import Progress, end_rows
from wellspring.repositories.sync.resolving import PROVIDER, Resolved, questions
from wellspring.repositories.sync.tables import RECORDS, RecordTables
from wellspring.work import Change, Disconnected, Invalidated, Matched, Synced

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
    found = Resolved(is_done=False, parent_pk=1, pks=dict.fromkeys([*types, PROVIDER], "{1}"), problems=())
    written = effects(unit, [found] * len(unit), range(len(unit)))
    message = Disconnected(id=str(uuid4()), group="group", workspace_connector_id=str(uuid4()))
    chunk = [end_rows(type_, [(message, Progress())], 5000) for type_ in types]
    # The parents and the inbox, then each type; the inbox, each type twice, and the providers.
    assert len(asked) == 4 + len(types)
    assert len(written) == 2 + 2 * len(types)
    statements = [*asked.values(), *(each for _, each in written), *chunk]
    assert max(len(str(each.statement)) for each in statements) <= MOST_CHARACTERS
