"""``/api/v1/policy/explain`` and ``/api/v1/messages/{id}/explain``."""

from typing import Annotated

from litestar import Router, get
from litestar.params import FromPath, QueryParameter

from postmta_ctl.features.explain import past, service
from postmta_ctl.features.explain.schemas import Explanation, PastExplanation, Question
from postmta_ctl.web import Caller, TheSystem, scope

_NAME = 63
"""Characters of a slug, or of the name of a vMTA or pool."""
Organization = Annotated[
    str | None, QueryParameter(max_length=_NAME, description="Slug of another organization; for operators.")
]


@get(
    "/policy/explain",
    opt=scope("messages:read") | {"errors": ("404", "409", "422")},
    summary="Explain why a message would go where it goes",
    tags=["Policy"],
)
async def explain_policy(
    system: TheSystem,
    principal: Caller,
    *,
    sender: Annotated[str, QueryParameter(name="from", max_length=998, description="From address.")],
    to: Annotated[str, QueryParameter(max_length=998, description="Address of the recipient.")],
    tag: Annotated[str | None, QueryParameter(max_length=100, description="First tag: names the campaign.")] = None,
    vmta: Annotated[str | None, QueryParameter(max_length=_NAME, description="The only one to leave by.")] = None,
    pool: Annotated[str | None, QueryParameter(max_length=_NAME, description="The pool to leave by.")] = None,
    release: Annotated[
        int | None, QueryParameter(ge=1, le=2**31 - 1, description="The newest that was published when absent.")
    ] = None,
    organization: Organization = None,
) -> Explanation:
    """The published policy runs for it in a Lua VM: tenant, queue, pool, the odds of each vMTA, every limit with
    today's use as far as it is known, signatures, retries, and the lines of the policy that decided. Nothing is sent,
    stored or charged. A domain, vMTA or pool that is not the organization's is an answer, not an error."""
    question = Question(sender=sender, recipient=to, tag=tag, vmta=vmta, pool=pool, release=release)
    return await service.explain(system, principal, question, organization)


@get(
    "/messages/{message_id:str}/explain",
    opt=scope("messages:read") | {"errors": ("404",)},
    summary="Explain why a message went where it went",
    tags=["Messages"],
)
async def explain_message(
    system: TheSystem,
    principal: Caller,
    message_id: FromPath[str],
    recipient: Annotated[
        str | None, QueryParameter(max_length=36, description="Id of one recipient; the first ten when absent.")
    ] = None,
    organization: Organization = None,
) -> PastExplanation:
    """By the release whose policy each recipient met, beside what really happened. Where files of that release are
    kept no more, ``not_explained`` says so. Warm-up and counts of that day are not known any more: odds are by
    today's allowances."""
    return await past.explain(system, principal, message_id, recipient, organization)


router = Router("/api/v1", route_handlers=[explain_policy, explain_message])
