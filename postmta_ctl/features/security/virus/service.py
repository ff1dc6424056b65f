"""The scan: what the engine recognises, and what kind and structure tell."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Sequence
from typing import NamedTuple

from postmta_ctl.clients.engines import FileScan
from postmta_ctl.core.files.findings import Budget, verdict_of
from postmta_ctl.core.files.inspection import Inspection, inspect
from postmta_ctl.core.files.kinds import MAIL
from postmta_ctl.core.spam.score import ENGINE as BUILTIN
from postmta_ctl.errors import InvalidRequest
from postmta_ctl.features.auth.principal import Principal
from postmta_ctl.features.credits import account
from postmta_ctl.features.security.engines import NO_ANTIVIRUS
from postmta_ctl.features.security.virus.schemas import FileVerdict, ScannedFile, ScanRequest, ScanResult
from postmta_ctl.system import System

WORST_FIRST: tuple[FileVerdict, ...] = ("infected", "suspicious", "not_scanned", "no_findings", "clean")


class _File(NamedTuple):
    name: str | None
    content_type: str
    data: bytes


async def scan(system: System, principal: Principal, request: ScanRequest) -> ScanResult:
    """Scan files. A credit is taken for each that was, when all are done, and without enough nothing is told.

    Raises:
        InvalidRequest: There is nothing to scan, or two ways to give it were used.
        InsufficientCredits: There are fewer ``av_scan`` credits than files.
        EngineFailed: The engine broke; nothing is told and nothing charged.
    """
    files = _files_of(request)
    async with system.db.transaction() as connection:
        await account.require(system, connection, principal.organization_id, "av_scan", len(files))
    inspections = await asyncio.to_thread(_inspect, files)
    scans = [None if system.antivirus is None else await system.antivirus.scan(one.data) for one in files]
    scanned = [_judged(*one) for one in zip(files, inspections, scans, strict=True)]
    credits = sum(one.verdict != "not_scanned" for one in scanned)
    if credits:
        async with system.db.transaction() as connection:
            await account.consume(
                system, connection, principal.organization_id, "av_scan", credits, cause="antivirus scan"
            )
    return ScanResult(
        engine=BUILTIN if system.antivirus is None else system.antivirus.name,
        notice=NO_ANTIVIRUS if system.antivirus is None else None,
        verdict=min((one.verdict for one in scanned), key=WORST_FIRST.index),
        files=scanned,
        credits=credits,
    )


def _files_of(request: ScanRequest) -> list[_File]:
    if bool(request.files) + (request.raw is not None) + (request.raw_base64 is not None) != 1:
        raise InvalidRequest.of("files", "give exactly one of files, raw and raw_base64")
    if request.files:
        return [_File(one.filename, one.content_type, one.content) for one in request.files]
    raw = request.raw_base64 if request.raw is None else request.raw.encode("utf-8", "replace")
    return [_File("message.eml", MAIL, raw or b"")]


def _inspect(files: Sequence[_File]) -> list[Inspection]:
    budget = Budget()
    return [inspect(one.name or "", one.data, one.content_type, budget) for one in files]


def _judged(file: _File, inspection: Inspection, found: FileScan | None) -> ScannedFile:
    return ScannedFile(
        filename=file.name,
        size=len(file.data),
        sha256=hashlib.sha256(file.data).hexdigest(),
        declared_type=file.content_type,
        detected_type=inspection.kind,
        verdict=_verdict(inspection, found),
        signature=found.signature if found else None,
        findings=list(inspection.findings),
        is_complete=inspection.is_complete,
        detail=found.detail if found else "",
    )


def _verdict(inspection: Inspection, found: FileScan | None) -> FileVerdict:
    """The worse of the engine's verdict and ours; where ours is that nothing was found, the engine's."""
    own: FileVerdict = verdict_of(inspection.findings)
    if found is None:
        return own
    return found.status if own == "no_findings" else min(own, found.status, key=WORST_FIRST.index)
