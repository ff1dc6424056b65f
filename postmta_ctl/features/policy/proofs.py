"""Proving a policy before any node sees it.

The data make sense, every name in the rendered bundle resolves, its Lua starts in our VM against a strict ``kumo``,
mail of every tenant goes through it, it does what the operator's scenarios say, and a real kumod takes it, where there
is one.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec

from postmta_ctl.compiler.bundle import Bundle, signing_keys
from postmta_ctl.compiler.check import Finding
from postmta_ctl.compiler.node_files import KeyFile
from postmta_ctl.compiler.scratch import lay_out
from postmta_ctl.errors import FieldError, PolicyRefused
from postmta_ctl.features.policy import kumod_validate
from postmta_ctl.features.policy.bundle_contents import Contents, read
from postmta_ctl.features.policy.bundle_walk import walk
from postmta_ctl.features.policy.rehearsal import rehearse
from postmta_ctl.features.policy.scenarios.format import ScenarioError, parse
from postmta_ctl.features.policy.scenarios.judge import judge
from postmta_ctl.luavm import check_policy
from postmta_ctl.progress import reached


class Proof(msgspec.Struct, frozen=True, kw_only=True):
    """One proof of a policy, and how it ended."""

    name: str
    """``model``, ``references``, ``lua``, ``traffic``, ``scenarios`` or ``kumod``; of a folder also ``files``, of a
    policy that is rolled back to ``keys``."""
    ok: bool | None
    """Null: it could not be tried; ``detail`` says why."""
    detail: str
    findings: tuple[Finding, ...] = ()


async def prove(bundle: Bundle, scenarios: str, *, kumod: str) -> list[Proof]:
    """The proofs of a rendered policy, in order; what stands on a failed one is not tried. It needs no database.

    Args:
        bundle: The policy; of files that are not at hand only the names are looked at.
        scenarios: What it must do, as TOML; empty: nothing in particular.
        kumod: A kumod program, its path; empty: the one on the ``PATH``, if any.
    """
    proofs = [await asyncio.to_thread(_of_references, bundle)]
    reached("references")
    # What is not at hand was proved with the release that it is taken over from.
    bundle = bundle.at_hand()
    proofs.append(await asyncio.to_thread(_of_lua, bundle))
    reached("lua")
    contents, _ = await asyncio.to_thread(read, bundle)
    if contents is None or not all(proof.ok for proof in proofs):
        return proofs
    proofs.append(await asyncio.to_thread(_of_traffic, contents, bundle))
    reached("traffic")
    if proofs[-1].ok:
        proofs.append(await asyncio.to_thread(_of_scenarios, scenarios, contents, bundle))
        proofs.append(await _of_kumod(bundle, kumod))
    return proofs


def require(proofs: Iterable[Proof]) -> None:
    """Refuse a policy of which a proof failed.

    Raises:
        PolicyRefused: Its ``errors`` are all findings.
    """
    failed = [proof for proof in proofs if proof.ok is False]
    if not failed:
        return
    errors = tuple(_error(finding) for proof in failed for finding in proof.findings if finding.severity == "error")
    detail = "; ".join(f"{proof.name}: {proof.detail}" for proof in failed)
    raise PolicyRefused(f"No node has seen this policy, since a proof failed. {detail}", errors=errors)


def _error(finding: Finding) -> FieldError:
    return FieldError(field=finding.where, message=finding.message, code=finding.code)


def of_model(findings: Sequence[Finding]) -> Proof:
    """The data that the policy is made of have sense."""
    return _proof("model", findings)


def _proof(name: str, findings: Sequence[Finding]) -> Proof:
    failed = any(finding.severity == "error" for finding in findings)
    return Proof(name=name, ok=not failed, detail=_counted(findings), findings=tuple(findings))


def _counted(findings: Sequence[Finding]) -> str:
    counts = Counter(finding.severity for finding in findings)
    return ", ".join(f"{count} {severity}{'s'[: count > 1]}" for severity, count in sorted(counts.items())) or "holds"


def _of_references(bundle: Bundle) -> Proof:
    return _proof("references", walk(bundle))


def _of_lua(bundle: Bundle) -> Proof:
    with TemporaryDirectory(prefix="postmta-proof-") as folder:
        return _run(lay_out(Path(folder), bundle, 0), Path(folder))


def prove_bundle(bundle: Bundle, keys: Collection[KeyFile], scenarios: str) -> list[Proof]:
    """What can be proved of a policy whose rows are gone: its Lua runs, and the keys that it signs with are still kept.

    A scenario that does not hold is told, and stands in nobody's way: it may have been written for what is gone back
    from, and whoever goes back is in a hurry.

    Args:
        bundle: An older release's.
        keys: The private keys that there are.
        scenarios: Those that are kept now, as TOML.
    """
    missing = sorted(signing_keys(bundle) - set(keys))
    findings = tuple(
        Finding(code="key-gone", message=f"it signs with a key of {key.selector} that was deleted", where=key.domain)
        for key in missing
    )
    proofs = [Proof(name="keys", ok=not findings, detail=_counted(findings), findings=findings), _of_lua(bundle)]
    contents, _ = read(bundle)
    if contents is not None and all(proof.ok for proof in proofs):
        tried = _of_scenarios(scenarios, contents, bundle)
        told = tuple(msgspec.structs.replace(finding, severity="warning") for finding in tried.findings)
        proofs.append(tried if tried.ok is not False else _proof("scenarios", told))
    return proofs


def _run(root: Path, policy_dir: Path) -> Proof:
    """Run the bundle of a node's folder in our VM: its start, and the walk through all it configures."""
    findings = tuple(
        Finding(code=found.code, message=found.message, where=found.where or "policy", severity=found.severity)
        for found in check_policy(root, policy_dir=policy_dir)
    )
    failed = any(finding.severity == "error" for finding in findings)
    return Proof(name="lua", ok=not failed, detail=_counted(findings), findings=findings)


def _of_traffic(contents: Contents, bundle: Bundle) -> Proof:
    with TemporaryDirectory(prefix="postmta-rehearsal-") as folder:
        return _proof("traffic", tuple(rehearse(Path(folder), contents, bundle)))


def _of_scenarios(text: str, contents: Contents, bundle: Bundle) -> Proof:
    try:
        scenarios = parse(text)
    except ScenarioError as error:
        return _proof("scenarios", (Finding(code="bad-scenario", message=error.message, where=error.field),))
    if not scenarios:
        return Proof(name="scenarios", ok=None, detail="none are kept")
    proof = _proof("scenarios", judge(scenarios, contents, bundle))
    return msgspec.structs.replace(proof, detail=f"{len(scenarios)} hold") if proof.ok else proof


async def _of_kumod(bundle: Bundle, kumod: str) -> Proof:
    program = kumod_validate.find(kumod)
    if program is None and kumod:
        return Proof(name="kumod", ok=False, detail=f"{kumod}, which the settings name, is no program")
    if program is None:
        return Proof(name="kumod", ok=None, detail="no kumod is installed here")
    ok, words = await kumod_validate.validate(program, bundle)
    findings = () if ok else (Finding(code="kumod-refuses", message=words, where="kumod --validate"),)
    return Proof(name="kumod", ok=ok, detail=words if ok else f"{program} --validate failed", findings=findings)
