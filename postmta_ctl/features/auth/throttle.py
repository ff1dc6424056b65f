"""How often a password may be guessed.

By address, which slows one guesser down who tries many accounts, and by account, which slows many down who try one.
An account that does not exist is counted like any other, so the answer tells nothing.
"""

from __future__ import annotations

import hashlib

from postmta_ctl.core import rate_limits
from postmta_ctl.core.rate_limits import Bucket, Limit
from postmta_ctl.errors import RateLimited
from postmta_ctl.system import System

WINDOW_SECONDS = 15 * 60


async def attempt(system: System, email: str, address: str) -> list[Bucket]:
    """Count an attempt. What is returned is to be given back when the attempt succeeds.

    Raises:
        RateLimited: It is one too many.
    """
    settings = system.settings
    # The address is hashed: it may be long, and a store of buckets need not know who logs in.
    account = hashlib.sha256(email.encode()).hexdigest()
    wanted = (
        ("login-address", address, settings.login_attempts_per_address),
        ("login-account", account, settings.login_attempts_per_account),
    )
    buckets = [
        Bucket(key=f"{name}:{who}", limit=Limit(name=name, quota=quota, window=WINDOW_SECONDS))
        for name, who, quota in wanted
        if quota
    ]
    if wait := rate_limits.retry_after(await system.limiter.take(buckets)):
        raise RateLimited("Too many attempts to log in; wait before the next.", retry_after=wait)
    return buckets
