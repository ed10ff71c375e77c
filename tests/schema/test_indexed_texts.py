"""Whatever is accepted can be stored: an entry of an index has at most 2,704 bytes, however little it compresses.

Source: Postgres's documentation, "B-Tree Indexes" (a third of a page), and "GIN", for which the same holds of one key.
"""

import pytest
from sqlalchemy import text

from tests.support.databases import Database

MOST_BYTES = 2704
# Of everything beside texts in an entry, its header included.
OTHER_BYTES = 64
# How many characters each text has at most, and how many bytes a character of it.
NAME, CODE = (500, 4), (64, 1)
BOUNDS: dict[str, tuple[int, int]] = {
    "providers.slug": NAME,
    "providers.category": NAME,
    "providers.countries": (100, 4),
    # `queries.MAX_NAME_FOLDED`.
    "folded_name": (200, 4),
    "pending_events.source": NAME,
    "feed_sources.source": NAME,
    # A slug, or an id.
    "pending_events.missing_key": NAME,
    "sync_messages.run": (100, 4),
    "sync_runs.run": (100, 4),
    "sync_runs.state": CODE,
    "idempotency_keys.key": (255, 1),
    # The subject of a token, which the issuer bounds: API Gateway takes 10,240 bytes of headers in all.
    "idempotency_keys.caller": (1024, 1),
    "audit.caller": (1024, 1),
    # Amazon S3 User Guide, "Object key naming".
    "loads.key": (1024, 1),
    "loads.object_version": (1024, 1),
    **dict.fromkeys(("outcome", "reason", "type", "missing_type", "status", "role", "health"), CODE),
}

INDEXED = text("""
SELECT index.relname, parent.relname, column_.attname
  FROM pg_index
  JOIN pg_class AS index ON index.oid = indexrelid
  JOIN pg_class AS parent ON parent.oid = indrelid
  JOIN pg_attribute AS column_ ON column_.attrelid = indrelid AND column_.attnum = ANY (indkey)
 WHERE parent.relnamespace::regnamespace::text IN ('core_api', 'wellspring')
   AND column_.atttypid IN ('text'::regtype, 'text[]'::regtype, 'jsonb'::regtype)""")


@pytest.fixture
def indexed(database: Database) -> dict[str, list[tuple[str, str]]]:
    found: dict[str, list[tuple[str, str]]] = {}
    for index, table, column in database.owner.execute(INDEXED):
        found.setdefault(index, []).append((table, column))
    return found


def test_the_longest_texts_that_are_accepted_fit_into_each_index(indexed: dict[str, list[tuple[str, str]]]) -> None:
    sizes = {}
    for index, columns in indexed.items():
        bounds = [BOUNDS.get(f"{table}.{column}") or BOUNDS[column] for table, column in columns]
        sizes[index] = OTHER_BYTES + sum(most * width for most, width in bounds)
    assert "idx_providers_category" in sizes
    assert {index: size for index, size in sizes.items() if size > MOST_BYTES} == {}
