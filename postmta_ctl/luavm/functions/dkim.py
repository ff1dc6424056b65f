"""``kumo.dkim``: signers, cached for their ``ttl`` under all of their parameters, as KumoMTA does."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from postmta_ctl.luavm.keysource import load_key
from postmta_ctl.luavm.signing import Signer

if TYPE_CHECKING:
    from postmta_ctl.luavm.vm import Vm


def make_signer(vm: Vm, values: dict[str, Any]) -> Signer:
    """A signer; a key changed in place is seen only after ``ttl``."""
    return vm.node.signers.get_or_make(json.dumps(values, sort_keys=True), lambda _: Signer(values, _key(vm, values)))


def _key(vm: Vm, values: dict[str, Any]) -> bytes:
    return load_key(vm, values["key"])


FUNCTIONS: dict[str, Callable[..., object]] = {
    "kumo.dkim.rsa_sha256_signer": make_signer,
    "kumo.dkim.ed25519_signer": make_signer,
    "kumo.secrets.load": load_key,
}
