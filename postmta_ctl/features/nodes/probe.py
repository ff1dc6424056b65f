"""Which release a node runs, by its own word.

The probe is an injection of one recipient that the policy refuses with the number of its release: no message, no
log record, no mail. A policy that is not ours would take it for mail, so the address cannot exist (RFC 6761, 6.4).
"""

from __future__ import annotations

import asyncio
import re

import msgspec

from postmta_ctl.clients.kumod import KumodClient, NodeAddress
from postmta_ctl.errors import NodeFailed

ADDRESS = "probe@postmta.invalid"
_RELEASE = re.compile(r"postmta-release=(\d+)")
_SHOWN = 200
_PAUSE_SECONDS = 0.1
POOL_SECONDS = 1.2
"""A little more than the ``ttl`` that the policy gives its pools and sources (``kumo_policy/egress.lua``): until then a
node may go by those of the release before."""
_BODY = msgspec.json.encode(
    {
        "envelope_sender": ADDRESS,
        "recipients": [{"email": ADDRESS, "metadata": {"probe": True}}],
        "content": {"headers": {"From": ADDRESS, "To": ADDRESS, "Subject": "probe"}, "text_body": "probe"},
    }
)


class _Answer(msgspec.Struct):
    success_count: int
    errors: list[str] = []


async def running_release(kumod: KumodClient, node: NodeAddress) -> int:
    """Number of the release that the node's policy says it is.

    Raises:
        NodeFailed: The node cannot be asked, or runs a policy that does not know the question.
    """
    status, body = await kumod.inject(node, _BODY)
    try:
        answer = msgspec.json.decode(body, type=_Answer)
    except msgspec.MsgspecError:
        words = body.decode("utf-8", "replace").strip()[:_SHOWN]
        raise NodeFailed(f"node {node.name}: it answers the probe with {status}: {words}", code="no_release") from None
    # KumoMTA puts the address before the text and a stack trace behind it.
    words = "\n".join(answer.errors)
    if found := _RELEASE.search(words):
        return int(found[1])
    raise NodeFailed(f"node {node.name}: {_problem(answer, words)}", code="no_release")


def _problem(answer: _Answer, words: str) -> str:
    if answer.success_count:
        return "it took the probe for mail: the policy it runs is not of PostMTA"
    return f"it does not say which release it runs: {words.partition(chr(10))[0][:_SHOWN] or 'no error was given'}"


async def wait_until_running(kumod: KumodClient, node: NodeAddress, release: int, *, seconds: float) -> int:
    """Have the node read its policy anew, and ask until it runs the release.

    Args:
        kumod: The client.
        node: Whom to ask.
        release: The number waited for; a smaller one than before when a canary was stopped.
        seconds: How long to ask before giving up. An epoch takes effect within a tenth of a second.

    Returns:
        What it runs in the end; another than ``release`` when it did not come round.

    Raises:
        NodeFailed: As :func:`running_release`, of the last time it was asked.
    """
    running: int | None = None
    problem = NodeFailed(f"node {node.name}: no answer within {seconds:g} s", code="node_timeout")
    try:
        async with asyncio.timeout(seconds):
            await kumod.bump_epoch(node)
            while True:
                try:
                    running = await running_release(kumod, node)
                except NodeFailed as error:
                    # Between two epochs a node may fail for a moment, as it does while it starts.
                    problem = error
                else:
                    if running == release:
                        return running
                await asyncio.sleep(_PAUSE_SECONDS)
    except TimeoutError:
        if running is None:
            raise problem from None
        return running
