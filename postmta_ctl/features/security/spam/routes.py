"""``/api/v1/security/spam-score``."""

from litestar import Router, post
from litestar.params import JSONBody

from postmta_ctl.features.security.spam import service
from postmta_ctl.features.security.spam.schemas import ScoreRequest, SpamScore
from postmta_ctl.web import Caller, TheSystem, scope


@post(
    "/spam-score",
    opt=scope("security:check") | {"errors": ("402", "502", "503")},
    status_code=200,
    summary="Analyze message spam score",
)
async def score_message(system: TheSystem, principal: Caller, data: JSONBody[ScoreRequest]) -> SpamScore:
    """By the spam filter that this installation is set up with, or by built-in rules, which then say so.

    Costs a ``spam_check`` credit when there is a verdict. A filter that fails is answered with 502 or 503 and costs
    nothing; the built-in rules never stand in for it.
    """
    return await service.check(system, principal, data)


router = Router("/api/v1/security", route_handlers=[score_message], tags=["Security"])
