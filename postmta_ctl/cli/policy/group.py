"""The group itself."""

from __future__ import annotations

import rich_click as click


@click.group()
def policy() -> None:
    """Render, prove and publish the policy of the KumoMTA nodes."""
