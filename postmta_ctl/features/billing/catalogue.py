"""Where the catalogue comes from: the operator's file, or the one in the package."""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from pathlib import Path

from postmta_ctl.core.plans import Catalogue, CatalogueError, Plan, parse_catalogue
from postmta_ctl.errors import ConfigurationError
from postmta_ctl.settings import Settings


def load(settings: Settings) -> Catalogue:
    """The catalogue that is in force while this process runs.

    Raises:
        ConfigurationError: It cannot be read or used, or lacks the default plan.
    """
    catalogue = _read(settings.plans_file)
    plan_of(catalogue, settings.default_plan)
    return catalogue


def plan_of(catalogue: Catalogue, plan_id: str) -> Plan:
    """The plan of this id, which somebody has.

    Raises:
        ConfigurationError: The catalogue lacks it.
    """
    try:
        return catalogue.plan(plan_id)
    except KeyError:
        hint = "a plan that leaves the sale stays there with offered = false"
        raise ConfigurationError(f"plans_file: there is no plan {plan_id}; {hint}") from None


@cache
def _read(name: str) -> Catalogue:
    path = Path(name).expanduser() if name else files(__package__) / "plans.toml"
    try:
        return parse_catalogue(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, CatalogueError) as error:
        raise ConfigurationError(f"plans_file: {path}: {error}") from None
