"""Random worlds in which the API answers as the reference model does; also by the predicates alone.

`WORLDS_SEED` and `WORLDS` in the environment ask for other worlds, and for more (CONTRIBUTING.md).
"""

import pytest

from tests.access.exploring import explore
from tests.support.databases import Database

pytestmark = pytest.mark.worlds


@pytest.mark.parametrize("row_level_security", [True, False], ids=["both guards", "the predicates alone"])
def test_whoever_asks_for_whatever_gets_the_models_answer(database: Database, *, row_level_security: bool) -> None:
    explore(database, row_level_security=row_level_security)
