"""octets in the outbox."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Apply."""
    octets = sa.Column(
        "octets",
        sa.Integer(),
        nullable=False,
        server_default="0",
        comment="of the message's content as it was stored",
    )
    op.add_column("outbox", octets)
    op.execute(
        "UPDATE outbox SET octets = length(content) FROM message_contents"
        " WHERE message_contents.message_id = outbox.message_id"
    )


def downgrade() -> None:
    """Take back."""
    op.drop_column("outbox", "octets")
