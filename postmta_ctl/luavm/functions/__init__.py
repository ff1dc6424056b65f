"""What stands behind KumoMTA's functions here, by name. A name of the catalogue without one is not simulated."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from postmta_ctl.luavm.functions import configs, declarations, dkim, events, memoize, throttles

FUNCTIONS: Mapping[str, Callable[..., object]] = {
    **configs.FUNCTIONS,
    **declarations.FUNCTIONS,
    **dkim.FUNCTIONS,
    **events.FUNCTIONS,
    **memoize.FUNCTIONS,
    **throttles.FUNCTIONS,
}
