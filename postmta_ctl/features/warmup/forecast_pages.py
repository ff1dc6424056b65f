"""A forecast as CSV, as a plot, and as a page that needs nothing but itself."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import jinja2
from markupsafe import Markup

from postmta_ctl.core.csv_text import line
from postmta_ctl.features.analytics import charts
from postmta_ctl.features.warmup.forecast_schemas import WarmupForecast

SERIES = {"established": "through_established", "new": "through_new", "delayed": "delayed"}
"""Name in the plot → field of a day, lowest first."""
_TOTALS = ("day", "planned", "waiting", "through_new", "through_established", "delayed")


def as_csv(found: WarmupForecast) -> str:
    """A record for each day: the totals, and what leaves through each vMTA."""
    names = [one.name for one in found.vmtas]
    rows = [line((*_TOTALS, *names))]
    for day in found.days:
        totals = (getattr(day, name) for name in _TOTALS[1:])
        rows.append(line((day.day.isoformat(), *totals, *(day.by_vmta.get(name, 0) for name in names))))
    return "".join(rows)


def as_svg(found: WarmupForecast) -> str:
    """The plot alone: a column for each day."""
    return _environment().get_template("forecast.svg").render(plot=_plot(found), charts=charts, series=list(SERIES))


def as_html(found: WarmupForecast) -> str:
    """The plot with its numbers."""
    # The plot is markup of ours, whose values were escaped when it was made.
    return _environment().get_template("forecast.html").render(forecast=found, plot=Markup(as_svg(found)))  # noqa: S704


def _plot(found: WarmupForecast) -> charts.Plot:
    return charts.stacked(
        [
            charts.Column(f"{day.day.day} {day.day:%b}", {name: getattr(day, field) for name, field in SERIES.items()})
            for day in found.days
        ]
    )


@cache
def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        undefined=jinja2.StrictUndefined,
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["number"] = "{:,}".format
    return environment
