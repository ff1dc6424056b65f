"""``/console/policy/tsa``: what TSA daemons decided, and the rules that they go by."""

from litestar import get

from postmta_ctl.console.guard import needs
from postmta_ctl.console.rendering import Page, page
from postmta_ctl.console.shaping_words import told
from postmta_ctl.core.automation import Rule
from postmta_ctl.features.tsa import service, state
from postmta_ctl.features.tsa.schemas import AutomationRule
from postmta_ctl.web import AnyRequest, Paging, TheSystem


@get("/policy/tsa", opt=needs("policy:read"))
async def automation(request: AnyRequest, system: TheSystem, paging: Paging) -> Page:
    """Each daemon is asked now; one that is away is shown with what is wrong."""
    return page(
        request,
        "policy/tsa.html",
        state=await state.show(system),
        found=await service.list_rules(system, paging),
        maintained=service.maintained() if system.settings.policy.tsa.maintained else [],
        follows=follows,
    )


def follows(rule: Rule | AutomationRule) -> str:
    """What follows from an answer, in words."""
    what = f"limit: {told(rule.limits)}" if rule.limits is not None else rule.action.replace("_", " ")
    when = "at once" if rule.threshold is None else f"after {rule.threshold} answers"
    return f"{what}, {when}, for {rule.duration} seconds"


PAGES = (automation,)
