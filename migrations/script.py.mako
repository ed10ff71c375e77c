"""${message}.

Before this is merged: every statement must be safe while the old and the new functions both run. Add a column
nullable or with a constant default; add an index CONCURRENTLY in `migrations.support.outside_transaction()`; add a
constraint NOT VALID and validate it in a later revision; drop nothing that the released functions still read. Import
nothing but alembic, sqlalchemy and `migrations.support`. When it is done, freeze it: tests/schema/test_frozen.py says how.
"""

from alembic import op
import sqlalchemy as sa
${imports if imports else ""}
revision = ${repr(up_revision)}
down_revision = ${repr(down_revision)}
branch_labels = ${repr(branch_labels)}
depends_on = ${repr(depends_on)}


def upgrade() -> None:
    ${upgrades if upgrades else "pass"}


def downgrade() -> None:
    ${downgrades if downgrades else "pass"}
