"""Doing steps, by the services that the API uses."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace as with_values
from typing import Any

import msgspec

from postmta_ctl.core.errors import InputError
from postmta_ctl.declarative.document import Desired, Key
from postmta_ctl.declarative.kinds import (
    AUTOMATION,
    DOMAIN,
    GREYLISTING,
    IP_ADDRESS,
    NODE,
    ORGANIZATION,
    POOL,
    RULE,
    SCENARIOS,
    SCHEDULE,
    SHAPING,
    TEMPLATE,
    VMTA,
    shaped,
)
from postmta_ctl.declarative.steps import Step
from postmta_ctl.errors import FieldError, PostMTAError
from postmta_ctl.features.auth import organizations
from postmta_ctl.features.auth.principal import Principal
from postmta_ctl.features.domains import bimi
from postmta_ctl.features.domains import service as domains
from postmta_ctl.features.fields import field_error
from postmta_ctl.features.ips import service as ips
from postmta_ctl.features.nodes import service as nodes
from postmta_ctl.features.policy.scenarios import service as scenarios
from postmta_ctl.features.pools import service as pools
from postmta_ctl.features.security.auto_block import rules
from postmta_ctl.features.security.greylisting import service as greylisting
from postmta_ctl.features.shaping import service as shaping
from postmta_ctl.features.state import logos
from postmta_ctl.features.state.keys import Pairs
from postmta_ctl.features.state.logos import Logos
from postmta_ctl.features.state.present import Present
from postmta_ctl.features.templates import service as templates
from postmta_ctl.features.tsa import service as automation
from postmta_ctl.features.vmtas import pausing
from postmta_ctl.features.vmtas import service as vmtas
from postmta_ctl.features.warmup import schedules
from postmta_ctl.features.warmup import service as warmup
from postmta_ctl.store.engine import Database
from postmta_ctl.store.versions import Condition
from postmta_ctl.system import System

ANY = Condition()
Doing = Callable[[Step, Principal], Awaitable[Any]]


class Carrier:
    """Does the steps of a plan, one after another; what is refused becomes a problem with its place.

    Args:
        system: The parts, with a database that is joined to one transaction.
        principal: Who does it.
        present: What there is; learns of organizations that are made.
        desired: The file, which gets the problems.
        pairs: Keys for a domain that is made.
        checked: Logos whose files were looked at; others are taken without.
    """

    def __init__(
        self,
        system: System,
        principal: Principal,
        present: Present,
        desired: Desired,
        pairs: Callable[[Step], Pairs],
        checked: Logos,
    ) -> None:
        self._system, self._principal = system, principal
        self._present, self._desired, self._pairs = present, desired, pairs
        self._checked = checked
        self._doings: dict[str, tuple[Doing, Doing, Doing | None]] = {
            NODE.name: (self._no_node, self._update_node, None),
            ORGANIZATION.name: (self._create_organization, self._rename, None),
            IP_ADDRESS.name: (self._add_address, self._update_address, self._simple_delete(ips.remove)),
            SCHEDULE.name: (self._create_schedule, self._update_schedule, self._simple_delete(schedules.delete)),
            VMTA.name: (self._create_vmta, self._update_vmta, self._simple_delete(vmtas.delete)),
            POOL.name: (self._create_pool, self._update_pool, self._simple_delete(pools.delete)),
            DOMAIN.name: (self._create_domain, self._update_domain, self._simple_delete(domains.delete)),
            TEMPLATE.name: (self._create_template, self._update_template, self._simple_delete(templates.remove)),
            RULE.name: (self._create_rule, self._update_rule, self._simple_delete(rules.remove)),
            SHAPING.name: (self._create_shaping, self._update_shaping, self._simple_delete(shaping.remove)),
            AUTOMATION.name: (self._set_automation, self._set_automation, None),
            GREYLISTING.name: (self._set_greylisting, self._set_greylisting, None),
            SCENARIOS.name: (self._set_scenarios, self._set_scenarios, None),
        }

    @property
    def db(self) -> Database:
        """The database that is joined to the transaction."""
        return self._system.db

    async def do(self, steps: list[Step]) -> None:
        """Do all that can be done."""
        for step in steps:
            create, update, delete = self._doings[step.kind]
            doing = {"create": create, "update": update, "delete": delete}[step.action]
            if doing is None:
                raise ValueError(f"a {step.kind} cannot be deleted")
            try:
                await doing(step, self._for(step))
            except PostMTAError as error:
                self._refuse(step, error.errors or (FieldError(field="", message=error.detail),))
            except InputError as error:
                self._refuse(step, (FieldError(field=error.field, message=error.message),))
            except msgspec.ValidationError as error:
                self._refuse(step, (field_error(str(error), "_"),))

    def _refuse(self, step: Step, errors: tuple[FieldError, ...]) -> None:
        for one in errors:
            field = one.field.removeprefix("_").removeprefix(".")
            self._desired.refuse(step.line, f"{step.path}.{field}" if field else step.path, one.message)

    def _for(self, step: Step) -> Principal:
        if not step.organization and step.kind != ORGANIZATION.name:
            return self._principal
        slug = step.organization or step.name
        organization_id = self._present.ids.get(Key(ORGANIZATION.name, "", slug))
        if organization_id is None:
            return self._principal
        return msgspec.structs.replace(self._principal, organization_id=organization_id, organization=slug, plan=None)

    def _id(self, step: Step) -> str:
        return self._present.ids[step.key]

    def _simple_delete(self, delete: Callable[[System, Principal, str, Condition], Awaitable[None]]) -> Doing:
        return lambda step, principal: delete(self._system, principal, self._id(step), ANY)

    async def _no_node(self, _step: Step, _principal: Principal) -> None:
        raise InputError("node_unknown", "is no node; postmta node add makes one, with its tokens")

    async def _update_node(self, step: Step, principal: Principal) -> None:
        await nodes.update(self._system, self._id(step), nodes.read_update(step.values()), principal=principal)

    async def _create_organization(self, step: Step, principal: Principal) -> None:
        name = step.values().get("name", step.name)
        own_rules = (RULE.name, step.name) in self._desired.sections
        made = await organizations.create(self._system, principal, step.name, name, default_rules=not own_rules)
        self._present.ids[step.key] = made.id

    async def _rename(self, step: Step, principal: Principal) -> None:
        await organizations.rename(self._system, principal, step.values()["name"])

    async def _add_address(self, step: Step, principal: Principal) -> None:
        await ips.add(self._system, principal, ips.read_create({"ip_address": step.name} | step.values()))

    async def _update_address(self, step: Step, principal: Principal) -> None:
        await ips.update(self._system, principal, self._id(step), ips.read_update(step.values()), ANY)

    async def _create_schedule(self, step: Step, principal: Principal) -> None:
        await schedules.create(self._system, principal, schedules.read_create(_named(step)))

    async def _update_schedule(self, step: Step, principal: Principal) -> None:
        await schedules.update(self._system, principal, self._id(step), schedules.read_update(step.values()), ANY)

    async def _create_vmta(self, step: Step, principal: Principal) -> None:
        values = _named(step)
        paused = values.pop("paused", None)
        made = await vmtas.create(self._system, principal, vmtas.read_create(values))
        if paused is not None:
            await self._pause(made.id, principal, paused)

    async def _update_vmta(self, step: Step, principal: Principal) -> None:
        values = step.values()
        wanted, paused = values.pop("warmup", msgspec.UNSET), values.pop("paused", msgspec.UNSET)
        if values:
            await vmtas.update(self._system, principal, self._id(step), vmtas.read_update(values), ANY)
        if wanted is None:
            await warmup.complete(self._system, principal, self._id(step))
        elif wanted is not msgspec.UNSET:
            await warmup.start(self._system, principal, self._id(step), warmup.read_start(wanted))
        if paused is not msgspec.UNSET:
            await self._pause(self._id(step), principal, paused)

    async def _pause(self, vmta_id: str, principal: Principal, reason: str | None) -> None:
        # Nodes hear of it after the commit.
        if reason is None:
            await pausing.resume_quietly(self._system, principal, vmta_id)
        else:
            await pausing.pause_quietly(self._system, principal, vmta_id, pausing.read_pause({"reason": reason}))

    async def _create_pool(self, step: Step, principal: Principal) -> None:
        await pools.create(self._system, principal, pools.read_create(_with_members(_named(step))))

    async def _update_pool(self, step: Step, principal: Principal) -> None:
        data = pools.read_update(_with_members(step.values()))
        await pools.update(self._system, principal, self._id(step), data, ANY)

    async def _create_domain(self, step: Step, principal: Principal) -> None:
        made = await domains.bring(self._system, principal, step.name, self._pairs(step))
        self._present.ids[step.key] = made.id
        await self._update_domain(step, principal)

    async def _update_domain(self, step: Step, principal: Principal) -> None:
        values = {name: value for name, value in step.values().items() if name not in DOMAIN.only_new}
        if "bimi" in values:
            wanted = values.pop("bimi")
            logo = self._checked.get(step.key) or logos.unchecked(self._system, wanted)
            await bimi.save(self._system, principal, self._id(step), logo, ANY)
        if values:
            await domains.update(self._system, principal, self._id(step), domains.read_update(values), ANY)

    async def _create_template(self, step: Step, principal: Principal) -> None:
        await templates.create(self._system, principal, templates.read_create(_named(step)))

    async def _update_template(self, step: Step, principal: Principal) -> None:
        whole = self._present.things[step.key] | step.values()
        await templates.update(self._system, principal, self._id(step), templates.read_update(whole), ANY)

    async def _create_rule(self, step: Step, principal: Principal) -> None:
        await rules.create(self._system, principal, rules.read_create(_named(step)))

    async def _update_rule(self, step: Step, principal: Principal) -> None:
        await rules.update(self._system, principal, self._id(step), rules.read_update(step.values()), ANY)

    async def _create_shaping(self, step: Step, principal: Principal) -> None:
        kind, target, organization = shaped(step.name)
        given = {"kind": kind, "target": target, "organization": organization} | step.values()
        await shaping.add(self._system, principal, shaping.read_create(given))

    async def _update_shaping(self, step: Step, principal: Principal) -> None:
        await shaping.update(self._system, principal, self._id(step), shaping.read_update(step.values()), ANY)

    async def _set_greylisting(self, step: Step, principal: Principal) -> None:
        await greylisting.update(self._system, principal, greylisting.read_update(step.values()), ANY)

    async def _set_automation(self, step: Step, principal: Principal) -> None:
        await automation.replace(self._system, principal, automation.read_plain(step.values()["rules"]))

    async def _set_scenarios(self, step: Step, principal: Principal) -> None:
        data = scenarios.read_update(step.values())
        await scenarios.replace(self._system, principal.name, data, ANY, principal)


def joined(system: System, db: Database) -> System:
    """The parts with another database."""
    return with_values(system, db=db)


def _named(step: Step) -> dict[str, Any]:
    return {"name": step.name} | step.values()


def _with_members(values: dict[str, Any]) -> dict[str, Any]:
    if "members" in values:
        values["members"] = [{"vmta": name, "weight": weight} for name, weight in values["members"].items()]
    return values
