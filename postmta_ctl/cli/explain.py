"""``postmta explain``, which is ``postmta policy explain`` as well."""

from __future__ import annotations

import rich_click as click

from postmta_ctl.cli.output import as_json, print_json, print_table
from postmta_ctl.cli.running import with_system
from postmta_ctl.features.explain import past, service
from postmta_ctl.features.explain.schemas import Decision, Explanation, Limit, PastExplanation, Question

_SHOWN_RETRIES = 12


@click.command()
@click.option("--from", "sender", help="From address.")
@click.option("--to", "recipient", help="Address of the recipient.")
@click.option("--tag", help="First tag: names the campaign.")
@click.option("--vmta", help="The only vMTA to leave by.")
@click.option("--pool", help="The pool to leave by.")
@click.option("--release", type=click.IntRange(1, 2**31 - 1), help="The newest that was published when absent.")
@click.option("--organization", help="Slug; that which the From domain belongs to when absent.")
@click.option("--message", help="Id of a past message, instead of --from and --to.")
@click.option("--steps", is_flag=True, help="Show each function of the policy with the line at which it ended.")
@as_json
def explain(
    sender: str | None,
    recipient: str | None,
    tag: str | None,
    vmta: str | None,
    pool: str | None,
    release: int | None,
    organization: str | None,
    message: str | None,
    steps: bool,
    as_json: bool,
) -> None:
    """Show why a message would go where it goes, by the published policy; or why a past one went where it went.

    Exit status: 0 when it would be sent or wait, 1 when it would be refused.

    Example: postmta policy explain --from news@acme.example --to ann@gmail.com --tag spring
    """
    if message is not None:
        told = with_system(lambda system: past.from_command_line(system, message))
        _finish_past(told, steps, as_json)
        return
    if sender is None or recipient is None:
        raise click.UsageError("Give --from and --to, or --message.")
    question = Question(sender=sender, recipient=recipient, tag=tag, vmta=vmta, pool=pool, release=release)
    found = with_system(lambda system: service.from_command_line(system, question, organization))
    if as_json:
        print_json(found)
    else:
        _show(found, steps)
    if found.decision.outcome in ("refused", "suppressed"):
        raise SystemExit(1)


def _show(found: Explanation, steps: bool) -> None:
    newest = "" if found.release.is_latest else ", not the newest"
    click.echo(
        f"From {found.sender} to {found.recipient}, of {found.organization}, by release {found.release.number}{newest}"
    )
    for note in found.notes:
        click.echo(f"Note: {note}")
    _show_decision(found.decision, steps)


def _finish_past(told: PastExplanation, steps: bool, as_json: bool) -> None:
    if as_json:
        print_json(told)
        return
    click.echo(f"Message {told.message_id} from {told.sender}")
    for one in told.recipients:
        click.echo(f"\n{one.address}: {one.status}")
        if one.release is not None:
            click.echo(f"By release {one.release.number}{'' if one.release.is_latest else ', not the newest'}")
        if one.decision is not None:
            _show_decision(one.decision, steps)
        if one.not_explained is not None:
            click.echo(f"Not explained: {one.not_explained}")
        if one.happened:
            columns = ("HAPPENED", "EVENT", "VMTA", "NODE", "CODE", "REPLY")
            print_table(columns, ((e.at, e.type, e.vmta, e.node, e.code, e.reply) for e in one.happened))
        for text in one.differences:
            click.echo(f"Differs: {text}")
    if told.left_out:
        click.echo(f"\n{told.left_out} more recipients are left out.")
    for note in told.notes:
        click.echo(f"Note: {note}")


def _show_decision(one: Decision, steps: bool) -> None:
    click.echo(f"Outcome: {one.outcome}")
    for refusal in one.refusals:
        click.echo(f"  {refusal.by} {refusal.code}: {refusal.text}")
    if one.queue is not None:
        click.echo(f"Tenant {one.tenant}, queue {one.queue}, pool {one.pool}")
    _show_ways(one)
    if one.dkim:
        signed = (f"{key.domain} {key.selector} ({key.algorithm})" for key in one.dkim)
        click.echo(f"DKIM: {', '.join(signed)}")
    if one.retries is not None:
        times = [_duration(seconds) for seconds in one.retries.after[:_SHOWN_RETRIES]]
        more = [] if one.retries.is_all and len(one.retries.after) == len(times) else ["…"]
        given_up = _duration(one.retries.max_age)
        click.echo(f"Retries after {', '.join(times + more) or 'nothing'}; given up after {given_up}")
    if one.rules:
        print_table(("RULE", "TEXT"), ((f"{rule.file}:{rule.line}", rule.text) for rule in one.rules))
    # Of a refusal it matters which function made it; else the handlers are enough.
    is_refused = any(refusal.by == "policy" for refusal in one.refusals)
    _show_steps(one, all_functions=steps or is_refused)


def _show_ways(one: Decision) -> None:
    if one.ways:
        columns = ("VMTA", "STATE", "ADDRESS", "SHARE", "TODAY")
        print_table(
            columns,
            (
                (
                    way.vmta,
                    way.state,
                    way.ip_address,
                    f"{way.share:.1%}",
                    f"{way.today.delivered} delivered, {way.today.deferred} deferred, {way.today.bounced} bounced"
                    f" at {way.today.provider}"
                    if way.today
                    else None,
                )
                for way in one.ways
            ),
        )
    if one.delayed_share:
        click.echo(f"{one.delayed_share:.1%} would wait, since every vMTA is out of its allowance")
    for absent in one.absent:
        click.echo(f"Not by {absent.vmta}: {absent.reason}")
    rows = [("all", limit) for limit in one.limits]
    rows += [(way.vmta, limit) for way in one.ways for limit in way.limits]
    if rows:
        print_table(("VMTA", "LIMIT", "VALUE", "USED TODAY", "NOTE"), (_limit(vmta, limit) for vmta, limit in rows))


def _limit(vmta: str, limit: Limit) -> tuple[object, ...]:
    used = "unknown" if limit.used_today is None else f"{limit.used_today}, {limit.left_today} left"
    return vmta, limit.name, limit.value, used, limit.note


def _show_steps(one: Decision, *, all_functions: bool) -> None:
    rows = []
    for step in one.steps:
        shown = step.functions if all_functions else step.functions[:1]
        rows += [(step.event, place.function, f"{place.file}:{place.line}", place.source) for place in shown]
    if rows:
        print_table(("HANDLER", "FUNCTION", "DECIDED AT", "LINE"), rows)


def _duration(seconds: int) -> str:
    """In the two largest units: ``1 d 4 h``."""
    parts = []
    for unit, length in (("d", 86_400), ("h", 3600), ("min", 60), ("s", 1)):
        count, seconds = divmod(seconds, length)
        if count:
            parts.append(f"{count} {unit}")
    return " ".join(parts[:2]) or "0 s"
