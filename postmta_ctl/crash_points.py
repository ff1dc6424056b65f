"""Named places at which a process may die between two steps that belong together.

The code says that it is there by ``system.reach("after-inject")``. In production that is :func:`pass_by`, and no
setting makes it anything else; the tests of faults compose a system whose process kills itself where they want it to.

======================== ==============================================================================
``after-accept``         messages are committed, and nobody has been told
``after-lease``          the relay holds recipients that no node was offered
``after-inject``         nodes have answered, and nothing of it is kept
``in-mark``              the same, before the commit of the answers
``after-mark``           what nodes answered is committed
``in-ingest``            events, recipients and the ledger are written, counts are not
``before-ingest-commit`` everything of a batch of log records is written, and not committed
``after-ingest``         it is committed, and the node has not been answered
``after-webhook``        endpoints have answered, and nothing of it is kept
``in-webhook-mark``      the same, before the commit of the answers
``after-release``        a release is made that no node was brought to
``before-switch``        its files are on a node that is not switched to them
``after-switch``         the node is switched, and nobody has noted it
======================== ==============================================================================
"""

from __future__ import annotations

from typing import Literal, get_args

CrashPoint = Literal[
    "after-accept",
    "after-lease",
    "after-inject",
    "in-mark",
    "after-mark",
    "in-ingest",
    "before-ingest-commit",
    "after-ingest",
    "after-webhook",
    "in-webhook-mark",
    "after-release",
    "before-switch",
    "after-switch",
]
CRASH_POINTS: tuple[CrashPoint, ...] = get_args(CrashPoint)


def pass_by(point: CrashPoint) -> None:
    """Nothing happens here."""
