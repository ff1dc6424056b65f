"""What a sandbox node is started with."""

from __future__ import annotations

from pathlib import Path

import msgspec


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """Options of one node."""

    policy_dir: Path
    """The node's folder: ``init.lua``, ``current``, ``releases/``, ``node.json``, ``keys/``."""
    host: str = "127.0.0.1"
    port: int = 0
    """0: any that is free."""
    time_scale: float = 1.0
    """Simulated seconds in one real second, where mail waits: retry intervals, ``max_age``, reports to come."""
    node_id: str | None = None
    """UUID in log records; by default one is made up and kept in the spool's folder."""
    spool_dir: Path | None = None
    """``policy_dir/spool`` by default, whatever the policy says."""
    open_faults: bool = False
    """Whether anybody may order faults, and not only whom the policy lets administer the node."""
    log_dir: Path | None = None
    """``policy_dir/logs`` by default, whatever the policy says."""

    @property
    def spool(self) -> Path:
        """Folder of the spool."""
        return self.spool_dir or self.policy_dir / "spool"

    @property
    def logs(self) -> Path:
        """Folder of the local logs."""
        return self.log_dir or self.policy_dir / "logs"
