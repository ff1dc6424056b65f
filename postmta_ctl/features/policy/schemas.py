"""What the policy routes take and give."""

from datetime import datetime
from typing import Annotated

import msgspec
from msgspec import Meta

from postmta_ctl.compiler.bundle import ChangeClass
from postmta_ctl.compiler.check import Finding
from postmta_ctl.features.policy.canaries import CanaryRequest
from postmta_ctl.features.policy.proofs import Proof
from postmta_ctl.features.policy.queries import Canary, State


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """A change of the configuration that has an effect on the policy."""

    id: int
    organization_id: str | None
    author: str
    summary: str
    created_at: datetime


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """What publishing would do now. Nothing was written."""

    release: int
    """The number that it would get; that of the newest release when nothing changed."""
    previous_release: int | None
    digest: str | None
    """SHA-256 of the policy; null when it cannot be rendered."""
    is_publishable: bool
    """No proof failed."""
    change_class: ChangeClass | None
    changes: list[Change]
    """What is waiting to be published, oldest first."""
    proofs: list[Proof]
    diff: str
    """Unified, from the newest release to this one."""
    stands_still: str | None
    """Why changes are not published by themselves, although they would be otherwise."""


class Check(msgspec.Struct, frozen=True, kw_only=True):
    """The proofs of the policy as it is configured now."""

    ok: bool
    proofs: list[Proof]
    findings: list[Finding]
    """Of all proofs."""


class PublishRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Why and how the policy is published."""

    reason: Annotated[str, Meta(min_length=1, max_length=500, examples=["mx2 joins the pool"])] | None = None
    """For the history; the changes themselves when absent."""
    dry_run: bool = False
    """Answer what would happen, and write nothing."""
    canary: CanaryRequest | None = None
    """Nodes that try the release before the others; all at once when absent."""


class ApproveRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How a proposal is published."""

    canary: CanaryRequest | None = None


class RollbackRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which policy is wanted back."""

    release: Annotated[int, Meta(ge=1, examples=[41])]
    reason: Annotated[str, Meta(min_length=1, max_length=500, examples=["mx2 is listed"])] | None = None


class Decision(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Why a release was turned down or stopped."""

    reason: Annotated[str, Meta(min_length=1, max_length=500, examples=["not before the sale"])]


class Difference(msgspec.Struct, frozen=True, kw_only=True):
    """What differs from one policy to another."""

    from_release: int
    to_release: int | None
    """Null: the policy as it is configured now."""
    change_class: ChangeClass
    diff: str
    """Unified."""


class Release(msgspec.Struct, frozen=True, kw_only=True):
    """One policy that was released, or proposed to be."""

    number: int
    digest: str
    author: str
    reason: str
    change_class: ChangeClass
    state: State
    rollback_to: int | None
    """The release whose policy this is again."""
    approved_by: str | None
    note: str | None
    """Why it was stopped or rejected."""
    canary: Canary | None
    files_removed_at: datetime | None = None
    """Since when its files are kept no more, so that it cannot be gone back to; null: they are."""
    published_at: datetime | None
    created_at: datetime


class ReleaseDetail(msgspec.Struct, frozen=True, kw_only=True):
    """One published policy, with what led to it and what it holds."""

    release: Release
    changes: list[Change]
    proofs: list[Proof]
    diff: str
    files: dict[str, str]
    """SHA-256 of each file, by path; empty when they are kept no more."""
