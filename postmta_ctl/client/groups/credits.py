"""Credits."""

from __future__ import annotations

from datetime import date
from types import NoneType

from postmta_ctl.client.calls import Call, Group, Page, R_co, listing, operation
from postmta_ctl.features.credits.schemas import (
    Alert,
    AlertCreate,
    Alerts,
    AlertUpdate,
    Balance,
    Balances,
    Consume,
    Consumed,
    Grant,
    LedgerEntry,
    Packages,
    Usage,
)


class Credits(Group[R_co]):
    """What stands in the document under Credits."""

    @operation
    def balances(self) -> Call[Balances]:
        """Get all credit balances."""
        return Call("GET", "/api/v1/credits", Balances)

    @operation
    def balance(self, credit_type: str) -> Call[Balance]:
        """Get specific credit type balance."""
        return Call("GET", "/api/v1/credits/{credit_type}", Balance, parts={"credit_type": credit_type})

    @operation
    def consume(self, body: Consume) -> Call[Consumed]:
        """Consume credits."""
        return Call("POST", "/api/v1/credits/consume", Consumed, body=body)

    @operation
    def usage(
        self, *, period: str | None = None, from_: date | None = None, to: date | None = None, type_: str | None = None
    ) -> Call[Usage]:
        """Credit usage history."""
        return Call(
            "GET", "/api/v1/credits/usage", Usage, query={"period": period, "from": from_, "to": to, "type": type_}
        )

    @listing
    def list_ledger(
        self, *, limit: int | None = None, cursor: str | None = None, sort: str | None = None, type_: str | None = None
    ) -> Call[Page[LedgerEntry]]:
        """List the entries of the credit ledger."""
        return Call(
            "GET",
            "/api/v1/credits/ledger",
            Page[LedgerEntry],
            query={"limit": limit, "cursor": cursor, "sort": sort, "type": type_},
        )

    @operation
    def packages(self) -> Call[Packages]:
        """Available credit packages."""
        return Call("GET", "/api/v1/credits/packages", Packages)

    @operation
    def list_alerts(self) -> Call[Alerts]:
        """Credit alert thresholds."""
        return Call("GET", "/api/v1/credits/alerts", Alerts)

    @operation
    def create_alert(self, body: AlertCreate) -> Call[Alert]:
        """Set credit alert threshold."""
        return Call("POST", "/api/v1/credits/alerts", Alert, body=body)

    @operation
    def get_alert(self, alert_id: str) -> Call[Alert]:
        """Get a credit alert threshold."""
        return Call("GET", "/api/v1/credits/alerts/{alert_id}", Alert, parts={"alert_id": alert_id})

    @operation
    def update_alert(self, alert_id: str, body: AlertUpdate, *, if_match: str | None = None) -> Call[Alert]:
        """Update a credit alert threshold."""
        return Call(
            "PUT",
            "/api/v1/credits/alerts/{alert_id}",
            Alert,
            parts={"alert_id": alert_id},
            body=body,
            headers={"If-Match": if_match},
        )

    @operation
    def delete_alert(self, alert_id: str, *, if_match: str | None = None) -> Call[None]:
        """Delete a credit alert threshold."""
        return Call(
            "DELETE",
            "/api/v1/credits/alerts/{alert_id}",
            NoneType,
            parts={"alert_id": alert_id},
            headers={"If-Match": if_match},
        )

    @operation
    def grant(self, body: Grant) -> Call[LedgerEntry]:
        """Grant credits to an organization."""
        return Call("POST", "/api/v1/credits/grant", LedgerEntry, body=body)
