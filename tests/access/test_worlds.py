"""Random worlds in which the API answers as the reference model does, with predicates and policies in force.

`WORLDS_SEED` and `WORLDS` in the environment ask for other worlds, and for more (CONTRIBUTING.md).
"""

import pytest

from tests.access.exploring import explore
from tests.support.databases import Database

pytestmark = pytest.mark.worlds


def test_whoever_asks_for_whatever_gets_the_models_answer(database: Database) -> None:
    explore(database, row_level_security=True)
