"""``postmta warmup``."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime

import rich_click as click

from postmta_ctl.cli.output import as_json, print_json, print_table
from postmta_ctl.cli.remote.commands import add_to
from postmta_ctl.cli.remote.table_mail import WARMUP
from postmta_ctl.cli.running import with_system
from postmta_ctl.core import warmup as stages
from postmta_ctl.core.providers import PROVIDERS
from postmta_ctl.core.warmup import SCHEDULES
from postmta_ctl.core.warmup_course import Sender
from postmta_ctl.core.warmup_forecast import forecast as forecast_plan
from postmta_ctl.core.warmup_simulation import NEVER, Course
from postmta_ctl.core.warmup_simulation import simulate as run_course
from postmta_ctl.features.warmup import forecast_pages, status
from postmta_ctl.features.warmup.forecast_schemas import WarmupForecast
from postmta_ctl.features.warmup.forecasting import LATEST, shown
from postmta_ctl.features.warmup.schemas import WarmupStatus

WRITERS: dict[str, Callable[[WarmupForecast], str]] = {
    "csv": forecast_pages.as_csv,
    "svg": forecast_pages.as_svg,
    "html": forecast_pages.as_html,
}
schedule_option = click.Choice(sorted(SCHEDULES))


@click.group()
def warmup() -> None:
    """Look at warm-ups, and plan them."""


@warmup.command("status")
@as_json
def show_status(as_json: bool) -> None:
    """Show every vMTA that is warming up: stage, today's allowance and use, and what holds it.

    Example: postmta warmup status
    """
    found = with_system(status.all_warming)
    if as_json:
        print_json(dict(found))
        return
    columns = ("VMTA", "STATE", "STAGE", "ALLOWANCE", "DELIVERED", "PUT OFF", "BOUNCED", "FULL ON", "HELD BY")
    print_table(columns, (_cells(name, one) for name, one in found))


def _cells(name: str, one: WarmupStatus) -> tuple[object, ...]:
    today = one.today
    figures = (today.allowance, today.delivered, today.deferred, today.bounced) if today else (None,) * 4
    stage = f"{one.stage}/{len(one.daily_allowances)}"
    return name, one.state, stage, *figures, one.full_on, one.held.reason if one.held else None


@warmup.command("decisions")
@click.argument("vmta")
@as_json
def show_decisions(vmta: str, as_json: bool) -> None:
    """Show the last decisions about a vMTA, given as ORGANIZATION.NAME, with the numbers they were made on.

    Example: postmta warmup decisions acme.mx2
    """
    found = dict(with_system(status.all_known)).get(vmta)
    if found is None:
        raise click.ClickException(f"{vmta} is no vMTA with a warm-up")
    if as_json:
        print_json(found.decisions)
        return
    columns = ("WHEN", "DECISION", "PROVIDER", "FROM", "TO", "BY", "REASON")
    print_table(
        columns,
        (
            (one.created_at, one.kind, one.provider, one.from_allowance, one.to_allowance, one.author, one.reason)
            for one in found.decisions
        ),
    )


@warmup.command("forecast")
@click.option("--volume", required=True, type=click.IntRange(0, 10**9), help="Messages planned for each day.")
@click.option("--new", "new", multiple=True, metavar="NAME=SCHEDULE", help="An address to warm up; may be repeated.")
@click.option(
    "--established", default=0, show_default=True, type=click.IntRange(0, 1000), help="Addresses that are warm."
)
@click.option("--mix", "mix", multiple=True, metavar="PROVIDER=SHARE", help="A provider's share of the mail, 0 to 1.")
@click.option("--days", default=45, show_default=True, type=click.IntRange(1, 366))
@click.option("--from", "first", type=click.DateTime(["%Y-%m-%d"]), help="The first day; today (UTC) when absent.")
@click.option("--format", "form", default="table", show_default=True, type=click.Choice(["table", "json", *WRITERS]))
def show_forecast(
    *,
    volume: int,
    new: tuple[str, ...],
    established: int,
    mix: tuple[str, ...],
    days: int,
    first: datetime | None,
    form: str,
) -> None:
    """Work out day by day what goes through new and established addresses, and what waits. Needs no database.

    Example: postmta warmup forecast --volume 20000 --new mx2=standard --established 1 --format svg > plan.svg
    """
    senders = [Sender(name=f"established-{number}") for number in range(1, established + 1)]
    for name, schedule in (_pair(one, "--new") for one in new):
        if schedule not in SCHEDULES:
            raise click.BadParameter(f"{schedule!r} is none of {', '.join(SCHEDULES)}", param_hint="--new")
        senders.append(Sender(name=name, progress=stages.begin(schedule=schedule)))
    if not senders:
        raise click.UsageError("give an address by --new or --established")
    begin = first.date() if first else datetime.now(UTC).date()
    if begin > LATEST:
        raise click.BadParameter(f"must not be after {LATEST}", param_hint="--from")
    found = shown(forecast_plan([volume] * days, _mix(mix), senders, begin), senders)
    if form in WRITERS:
        click.echo(WRITERS[form](found), nl=False)
    elif form == "json":
        print_json(found)
    else:
        _print_forecast(found)


def _print_forecast(found: WarmupForecast) -> None:
    columns = ("DAY", "PLANNED", "LEFT FROM BEFORE", "THROUGH NEW", "THROUGH ESTABLISHED", "DELAYED")
    print_table(
        columns,
        (
            (one.day, one.planned, one.waiting, one.through_new, one.through_established, one.delayed)
            for one in found.days
        ),
    )
    click.echo(f"All are warm on {_day(found.warm_on)}; nothing waits from {_day(found.no_delay_from)} on.")


def _day(day: date | None) -> str:
    return str(day) if day else "no day of these"


def _mix(given: tuple[str, ...]) -> dict[str, float]:
    mix = {}
    for provider, share in (_pair(one, "--mix") for one in given):
        if provider not in PROVIDERS:
            raise click.BadParameter(f"{provider!r} is no provider that we tell apart", param_hint="--mix")
        try:
            mix[provider] = float(share)
        except ValueError:
            raise click.BadParameter(f"{share!r} is no number", param_hint="--mix") from None
    if not (all(0 <= share <= 1 for share in mix.values()) and sum(mix.values()) <= 1 + 1e-9):
        raise click.BadParameter("shares are from 0 to 1 and add up to 1 at most", param_hint="--mix")
    return mix


def _pair(text: str, option: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not (name and equals and value):
        raise click.BadParameter(f"{text!r} is not NAME=VALUE", param_hint=option)
    return name, value


@warmup.command("simulate")
@click.option("--schedule", default="standard", show_default=True, type=schedule_option)
@click.option("--volume", default=50_000, show_default=True, type=click.IntRange(1, 10**9), help="Messages a day.")
@click.option("--days", default=45, show_default=True, type=click.IntRange(1, 366))
@as_json
def show_simulation(schedule: str, volume: int, days: int, as_json: bool) -> None:
    """Warm up an address in virtual time against receivers that put off a hurried sender; by the answers, and by the
    calendar. The decisions are those of production, the receivers are made up.

    Example: postmta warmup simulate --schedule aggressive
    """
    progress = stages.begin(schedule=schedule)
    adaptive = run_course(progress, volume=volume, days=days)
    fixed = run_course(progress, volume=volume, days=days, thresholds=NEVER)
    if as_json:
        print_json({"adaptive": adaptive, "fixed": fixed})
        return
    columns = ("DAY", "STAGE", "ALLOWANCE", "DELIVERED", "PUT OFF", "DECISIONS", "BY THE CALENDAR", "PUT OFF")
    print_table(
        columns,
        (
            (
                one.day,
                one.stage,
                one.allowance,
                one.delivered,
                one.deferred,
                ", ".join(one.decisions),
                other.delivered,
                other.deferred,
            )
            for one, other in zip(adaptive.days, fixed.days, strict=True)
        ),
    )
    click.echo(_summary("By the answers", adaptive))
    click.echo(_summary("By the calendar", fixed))


def _summary(name: str, course: Course) -> str:
    when = f"full volume on day {course.full_on}" if course.full_on else "full volume not reached"
    return f"{name}: {course.deferred:,} put off, {course.delivered:,} delivered, {when}"


add_to(warmup, WARMUP)
