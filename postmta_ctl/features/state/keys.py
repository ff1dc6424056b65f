"""DKIM keys for domains that a file asks for: those that it refers to, or new ones."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping

from postmta_ctl.core import dkim
from postmta_ctl.core.dkim import KeyPair
from postmta_ctl.core.errors import InputError
from postmta_ctl.declarative.document import Key
from postmta_ctl.declarative.kinds import DOMAIN, Thing
from postmta_ctl.declarative.steps import Step
from postmta_ctl.errors import InvalidRequest
from postmta_ctl.features.domains.keys import parse_selector, selectors_of

Secrets = Callable[[Mapping[str, str]], bytes]
"""What a reference, ``{"env": NAME}`` or ``{"file": PATH}``, stands for; raises InputError."""
Pairs = dict[str, KeyPair]
"""By selector."""
Progress = Callable[[int, int], None]
"""Is told how many are done, of how many."""
SELECTOR = "pmta"


def no_secrets(_reference: Mapping[str, str]) -> bytes:
    """For whoever must not make this process read its files and variables.

    Raises:
        InputError: ``secret_reference``: always.
    """
    raise InputError("secret_reference", "references to secrets are read by the postmta command only")


async def make(steps: Iterable[Step], secrets: Secrets, progress: Progress) -> dict[Key, Pairs]:
    """The keys of all domains that are to be made, before any transaction: each takes a core for a while.

    Those whose references cannot be read are left out; carrying out says why.
    """
    new = [step for step in steps if step.kind == DOMAIN.name and step.action == "create"]
    found = dict[Key, Pairs]()
    for done, step in enumerate(new, 1):
        try:
            found[step.key] = await asyncio.to_thread(pairs_of, step.values(), secrets)
        except (InputError, InvalidRequest):
            continue
        finally:
            progress(done, len(new))
    return found


def pairs_of(wanted: Thing, secrets: Secrets, generate: Callable[[str], KeyPair] = dkim.generate) -> Pairs:
    """The keys of one domain.

    Raises:
        InputError: A selector is none, or what is referred to cannot be read or is no key.
        InvalidRequest: Both or neither of the ways to get keys are asked for.
    """
    origin = wanted.get("create") or {}
    if not (given := origin.get("dkim_keys")):
        selector = parse_selector(origin.get("dkim_selector", SELECTOR))
        return {name: generate(algorithm) for algorithm, name in selectors_of(selector).items()}
    if "dkim_selector" in origin:
        raise InvalidRequest.of("create", "give either dkim_selector, for new keys, or dkim_keys")
    return {selector: _referred(selector, reference, secrets) for selector, reference in given.items()}


def _referred(selector: str, reference: Mapping[str, str], secrets: Secrets) -> KeyPair:
    try:
        return dkim.existing(secrets(reference))
    except InputError as error:
        raise InputError(error.code, error.message, field=f"create.dkim_keys.{selector}") from None
