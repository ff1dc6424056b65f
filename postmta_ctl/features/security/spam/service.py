"""The spam check: the engine's verdict, and advice."""

from __future__ import annotations

import asyncio

from postmta_ctl.core.errors import InputError
from postmta_ctl.core.spam import score
from postmta_ctl.core.spam.mail import MAX_SIZE, read_mail
from postmta_ctl.core.spam.rules import Rule
from postmta_ctl.errors import InvalidRequest, PayloadTooLarge
from postmta_ctl.features.auth.principal import Principal
from postmta_ctl.features.credits import account
from postmta_ctl.features.security.spam.composing import message_of
from postmta_ctl.features.security.spam.schemas import ScoreRequest, SpamScore
from postmta_ctl.system import System


async def check(system: System, principal: Principal, request: ScoreRequest) -> SpamScore:
    """Judge a message. A credit is taken when there is a verdict, and without one nothing is told.

    Raises:
        InvalidRequest: There is no message, or one that cannot be read.
        PayloadTooLarge: It is larger than what is judged.
        InsufficientCredits: There is no ``spam_check`` credit.
        EngineFailed: The engine gave no verdict; nothing is charged, and no other engine is asked.
    """
    async with system.db.transaction() as connection:
        await account.require(system, connection, principal.organization_id, "spam_check", 1)
    message = await asyncio.to_thread(message_of, request, system.now())
    if len(message) > MAX_SIZE:
        raise PayloadTooLarge(f"The message has {len(message)} octets; at most {MAX_SIZE} are judged.")
    found = await asyncio.to_thread(_own_rules, system, message)
    if system.spam is None:
        verdict = score.verdict(found, system.settings.spam_threshold)
    else:
        verdict = await system.spam.check(message)
    async with system.db.transaction() as connection:
        await account.consume(system, connection, principal.organization_id, "spam_check", 1, cause="spam check")
    return SpamScore(
        engine=verdict.engine,
        engine_version=verdict.version,
        score=verdict.score,
        threshold=verdict.threshold,
        verdict=verdict.verdict,
        action=verdict.action,
        rules=list(verdict.rules),
        size=len(message),
        advice=score.advice(found),
        credits=1,
    )


def _own_rules(system: System, message: bytes) -> list[tuple[Rule, str]]:
    try:
        return score.matches(read_mail(message, system.now()))
    except InputError as error:
        raise InvalidRequest.of("raw", error.message, code=error.code) from None
