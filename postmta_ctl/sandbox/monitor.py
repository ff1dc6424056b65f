"""Files whose change begins a new configuration epoch: KumoMTA looks at them every ten seconds."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from glob import glob
from pathlib import Path

from postmta_ctl.sandbox.durations import SECOND

_EVERY = 10 * SECOND


class ConfigMonitor:
    """Watches the files that ``kumo.set_config_monitor_globs`` names; without a call of it, none."""

    def __init__(self, globs: Iterable[str], now: int) -> None:
        self._globs = tuple(globs)
        self._next = now + _EVERY
        self._seen = self._digest()

    def has_changed(self, now: int) -> bool:
        """Whether paths or contents are others than before; looks only when it is time to."""
        if now < self._next:
            return False
        self._next = now + _EVERY
        before, self._seen = self._seen, self._digest()
        return before != self._seen

    def _digest(self) -> str:
        paths = sorted(path for pattern in self._globs for path in glob(pattern, recursive=True))  # noqa: PTH207
        digest = hashlib.sha256()
        for path in paths:
            digest.update(path.encode())
            digest.update(Path(path).read_bytes())
        return digest.hexdigest()
