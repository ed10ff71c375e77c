"""The consumer sweeps what the feed has ended: the choices of providers that are gone are its to end, too.

Safe while old functions run: a role more may see what the writer sees, and the writer loses nothing.
"""

from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

WRITER, CONSUMER = "wellspring_writer", "wellspring_consumer"
POLICY = "ALTER POLICY workspace_providers_of_the_pipeline ON core_api.workspace_providers TO"


def upgrade() -> None:
    op.execute(f"{POLICY} {WRITER}, {CONSUMER}")


def downgrade() -> None:
    op.execute(f"{POLICY} {WRITER}")
