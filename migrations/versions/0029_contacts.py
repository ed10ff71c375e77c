"""A person that only a sync made is a contact, and nobody's identity (contract, section 3).

Who calls is a person whom the platform's feed has told of: their row has a source. The functions that the policies ask
say so, too. Safe while old functions run: they ask the same functions, whose names and answers stay the same otherwise.
"""

from collections.abc import Iterator

from alembic import op

from migrations.support import module_of

revision = "0029"
down_revision = "0028"
branch_labels = None
depends_on = None

IS_THERE = "caller.deleted_at IS NULL"
IS_IDENTITY = f"{IS_THERE} AND caller.source IS NOT NULL"


def functions() -> Iterator[str]:
    """Yield the functions that ask who is calling, as the revisions before leave them."""
    first, probes, last = (module_of(name) for name in ("0005_row_level_security", "0024_probes", "0026_foreseen"))
    yield f"groups_of_caller() {first.FUNCTIONS['groups_of_caller()']}"
    for signature, body in probes.MADE.items():
        yield f"{signature} {body}"
    for signature, body in last.REMEMBERING.items():
        yield f"{signature} {body}"
    yield f"{last.LEAVE} {last.leaving()}"


def upgrade() -> None:
    for function in functions():
        op.execute(f"CREATE OR REPLACE FUNCTION wellspring.{function.replace(IS_THERE, IS_IDENTITY)}")


def downgrade() -> None:
    for function in functions():
        op.execute(f"CREATE OR REPLACE FUNCTION wellspring.{function}")
