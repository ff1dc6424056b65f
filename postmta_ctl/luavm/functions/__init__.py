"""What stands behind KumoMTA's functions here, by name. A name of the catalogue without one is not simulated."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from postmta_ctl.luavm.functions import (
    aaa,
    binary,
    configs,
    control,
    counters,
    declarations,
    dkim,
    dns,
    events,
    files,
    http,
    identifiers,
    maps,
    memoize,
    serde,
    shaping,
    sqlite,
    text,
    throttles,
    times,
)

FUNCTIONS: Mapping[str, Callable[..., object]] = {
    **aaa.FUNCTIONS,
    **binary.FUNCTIONS,
    **configs.FUNCTIONS,
    **control.FUNCTIONS,
    **counters.FUNCTIONS,
    **declarations.FUNCTIONS,
    **dkim.FUNCTIONS,
    **dns.FUNCTIONS,
    **events.FUNCTIONS,
    **files.FUNCTIONS,
    **http.FUNCTIONS,
    **identifiers.FUNCTIONS,
    **maps.FUNCTIONS,
    **memoize.FUNCTIONS,
    **serde.FUNCTIONS,
    **shaping.FUNCTIONS,
    **sqlite.FUNCTIONS,
    **text.FUNCTIONS,
    **throttles.FUNCTIONS,
    **times.FUNCTIONS,
}
