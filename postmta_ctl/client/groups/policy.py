"""Policy."""

from __future__ import annotations

from postmta_ctl.client.calls import Call, Group, Page, R_co, listing, operation
from postmta_ctl.features.explain.schemas import Explanation
from postmta_ctl.features.policy.drift import NodeDrift
from postmta_ctl.features.policy.publish import Publication
from postmta_ctl.features.policy.rollout import NodeOutcome
from postmta_ctl.features.policy.scenarios.schemas import Scenarios, ScenariosUpdate
from postmta_ctl.features.policy.schemas import (
    ApproveRequest,
    Check,
    Decision,
    Difference,
    Plan,
    PublishRequest,
    Release,
    ReleaseDetail,
    RollbackRequest,
)


class Policy(Group[R_co]):
    """What stands in the document under Policy."""

    @operation
    def plan(self) -> Call[Plan]:
        """What publishing would do now."""
        return Call("GET", "/api/v1/policy/plan", Plan)

    @operation
    def check(self) -> Call[Check]:
        """Prove the policy as it is configured now."""
        return Call("GET", "/api/v1/policy/check", Check)

    @operation
    def bundle(self) -> Call[bytes]:
        """Download the policy as it would be rendered now."""
        return Call("GET", "/api/v1/policy/bundle", bytes)

    @operation
    def publish(self, body: PublishRequest | None = None) -> Call[Publication]:
        """Prove, release and roll out the policy."""
        return Call("POST", "/api/v1/policy/publish", Publication, body=body)

    @operation
    def roll_back(self, body: RollbackRequest) -> Call[Publication]:
        """Publish the policy of an older release again."""
        return Call("POST", "/api/v1/policy/rollback", Publication, body=body)

    @operation
    def diff(self, *, from_: int, to: int | None = None) -> Call[Difference]:
        """Compare two releases."""
        return Call("GET", "/api/v1/policy/diff", Difference, query={"from": from_, "to": to})

    @operation
    def drift(self) -> Call[list[NodeDrift]]:
        """How each node differs from what was published."""
        return Call("GET", "/api/v1/policy/drift", list[NodeDrift])

    @operation
    def fix_drift(self) -> Call[list[NodeOutcome]]:
        """Mend what differs."""
        return Call("POST", "/api/v1/policy/drift/fix", list[NodeOutcome])

    @listing
    def list_releases(self, *, limit: int | None = None, cursor: int | None = None) -> Call[Page[Release]]:
        """List the releases."""
        return Call("GET", "/api/v1/policy/releases", Page[Release], query={"limit": limit, "cursor": cursor})

    @operation
    def get_release(self, number: int) -> Call[ReleaseDetail]:
        """Get a release."""
        return Call("GET", "/api/v1/policy/releases/{number}", ReleaseDetail, parts={"number": number})

    @operation
    def approve(self, number: int, body: ApproveRequest | None = None) -> Call[Publication]:
        """Publish a proposal."""
        return Call(
            "POST", "/api/v1/policy/releases/{number}/approve", Publication, parts={"number": number}, body=body
        )

    @operation
    def reject(self, number: int, body: Decision) -> Call[ReleaseDetail]:
        """Turn a proposal down."""
        return Call(
            "POST", "/api/v1/policy/releases/{number}/reject", ReleaseDetail, parts={"number": number}, body=body
        )

    @operation
    def promote(self, number: int) -> Call[list[NodeOutcome]]:
        """Bring a canary to all."""
        return Call("POST", "/api/v1/policy/releases/{number}/promote", list[NodeOutcome], parts={"number": number})

    @operation
    def stop(self, number: int, body: Decision) -> Call[list[NodeOutcome]]:
        """Stop a canary."""
        return Call(
            "POST", "/api/v1/policy/releases/{number}/stop", list[NodeOutcome], parts={"number": number}, body=body
        )

    @operation
    def get_scenarios(self) -> Call[Scenarios]:
        """The scenarios that each policy must pass."""
        return Call("GET", "/api/v1/policy/scenarios", Scenarios)

    @operation
    def put_scenarios(self, body: ScenariosUpdate, *, if_match: str | None = None) -> Call[Scenarios]:
        """Replace the scenarios."""
        return Call("PUT", "/api/v1/policy/scenarios", Scenarios, body=body, headers={"If-Match": if_match})

    @operation
    def explain(
        self,
        *,
        from_: str,
        to: str,
        tag: str | None = None,
        vmta: str | None = None,
        pool: str | None = None,
        release: int | None = None,
        organization: str | None = None,
    ) -> Call[Explanation]:
        """Explain why a message would go where it goes."""
        return Call(
            "GET",
            "/api/v1/policy/explain",
            Explanation,
            query={
                "from": from_,
                "to": to,
                "tag": tag,
                "vmta": vmta,
                "pool": pool,
                "release": release,
                "organization": organization,
            },
        )
