"""Organizations that operators make: customers who did not register by themselves."""

from __future__ import annotations

from sqlalchemy.exc import IntegrityError

from postmta_ctl.compiler.names import SLUG
from postmta_ctl.core.ids import new_id
from postmta_ctl.errors import AlreadyExists, InvalidRequest
from postmta_ctl.features.audit import service as audit
from postmta_ctl.features.auth import queries
from postmta_ctl.features.auth.principal import Principal
from postmta_ctl.features.auth.schemas import Organization
from postmta_ctl.features.policy import changes
from postmta_ctl.features.security.auto_block.defaults import add_defaults
from postmta_ctl.system import System

MAX_NAME = 200


async def create(
    system: System, principal: Principal, slug: str, name: str, *, default_rules: bool = True
) -> Organization:
    """Make an organization without users; its first is invited.

    Args:
        system: The parts.
        principal: The operator.
        slug: What it is called in queues.
        name: What people call it.
        default_rules: Give it the auto-block rules that organizations begin with.

    Raises:
        InvalidRequest: It cannot have this slug or this name.
        AlreadyExists: There is one of this slug.
    """
    if not SLUG.match(slug):
        raise InvalidRequest.of("slug", "must be 1 to 63 of a-z, 0-9 and -")
    now = system.now()
    made = Organization(id=new_id(now), slug=slug, name=_readable(name))
    try:
        async with system.db.transaction() as connection:
            await queries.insert_organization(connection, id=made.id, slug=slug, name=made.name, created_at=now)
            if default_rules:
                await add_defaults(connection, made.id, now)
            summary = f"organization {slug} created"
            await changes.record(connection, organization_id=made.id, author=principal.name, summary=summary, now=now)
            await audit.record(
                connection, principal, "organization.created", made.id, after=made, now=now, organization_id=made.id
            )
    except IntegrityError as error:
        raise AlreadyExists(f"slug: there is an organization {slug} already.") from error
    return made


async def rename(system: System, principal: Principal, name: str) -> Organization:
    """Give the principal's organization another name; its slug, which mail in queues is known by, stays.

    Raises:
        InvalidRequest: It cannot have this name.
    """
    async with system.db.transaction() as connection:
        slug, old = await queries.organization(connection, principal.organization_id)
        before = Organization(id=principal.organization_id, slug=slug, name=old)
        after = Organization(id=before.id, slug=slug, name=_readable(name))
        await queries.rename_organization(connection, after.id, after.name)
        await audit.record(
            connection, principal, "organization.renamed", after.id, before=before, after=after, now=system.now()
        )
    return after


def _readable(name: str) -> str:
    if not 1 <= len(name) <= MAX_NAME or "\0" in name:
        raise InvalidRequest.of("name", f"must be 1 to {MAX_NAME} characters")
    return name
