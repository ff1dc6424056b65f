"""Analytics."""

from __future__ import annotations

from typing import Literal

from postmta_ctl.client.calls import Call, Group, R_co, operation
from postmta_ctl.features.analytics.schemas import (
    BounceReasons,
    Breakdown,
    Providers,
    Report,
    Summary,
    Timeseries,
    Trend,
)


class Analytics(Group[R_co]):
    """What stands in the document under Analytics."""

    @operation
    def summary(
        self,
        *,
        period: Literal["24h", "7d", "30d", "90d"] | None = None,
        from_: str | None = None,
        to: str | None = None,
    ) -> Call[Summary]:
        """Delivery summary statistics."""
        return Call("GET", "/api/v1/analytics/summary", Summary, query={"period": period, "from": from_, "to": to})

    @operation
    def timeseries(
        self,
        *,
        period: Literal["24h", "7d", "30d", "90d"] | None = None,
        from_: str | None = None,
        to: str | None = None,
        tz: str | None = None,
        interval: Literal["hour", "day"] | None = None,
    ) -> Call[Timeseries]:
        """Time-series delivery data."""
        return Call(
            "GET",
            "/api/v1/analytics/timeseries",
            Timeseries,
            query={"period": period, "from": from_, "to": to, "tz": tz, "interval": interval},
        )

    @operation
    def breakdown(
        self,
        *,
        period: Literal["24h", "7d", "30d", "90d"] | None = None,
        from_: str | None = None,
        to: str | None = None,
        by: Literal["sending_domain", "recipient_domain", "vmta", "provider", "tag", "batch", "bounce_class"],
        limit: int | None = None,
    ) -> Call[Breakdown]:
        """Delivery breakdown by dimension."""
        return Call(
            "GET",
            "/api/v1/analytics/breakdown",
            Breakdown,
            query={"period": period, "from": from_, "to": to, "by": by, "limit": limit},
        )

    @operation
    def isp(
        self,
        *,
        period: Literal["24h", "7d", "30d", "90d"] | None = None,
        from_: str | None = None,
        to: str | None = None,
        limit: int | None = None,
    ) -> Call[Providers]:
        """ISP-level delivery analytics."""
        return Call(
            "GET", "/api/v1/analytics/isp", Providers, query={"period": period, "from": from_, "to": to, "limit": limit}
        )

    @operation
    def trend(
        self,
        *,
        period: Literal["24h", "7d", "30d", "90d"] | None = None,
        from_: str | None = None,
        to: str | None = None,
    ) -> Call[Trend]:
        """Delivery trend analysis."""
        return Call("GET", "/api/v1/analytics/trend", Trend, query={"period": period, "from": from_, "to": to})

    @operation
    def bounce_reasons(
        self,
        *,
        period: Literal["24h", "7d", "30d", "90d"] | None = None,
        from_: str | None = None,
        to: str | None = None,
    ) -> Call[BounceReasons]:
        """Bounce reason categorization."""
        return Call(
            "GET", "/api/v1/analytics/bounce-reasons", BounceReasons, query={"period": period, "from": from_, "to": to}
        )

    @operation
    def report(
        self,
        *,
        period: Literal["24h", "7d", "30d", "90d"] | None = None,
        from_: str | None = None,
        to: str | None = None,
        tz: str | None = None,
    ) -> Call[Report]:
        """Generate delivery report."""
        return Call(
            "GET", "/api/v1/analytics/report", Report, query={"period": period, "from": from_, "to": to, "tz": tz}
        )

    @operation
    def report_html(
        self,
        *,
        period: Literal["24h", "7d", "30d", "90d"] | None = None,
        from_: str | None = None,
        to: str | None = None,
        tz: str | None = None,
    ) -> Call[str]:
        """The report as a page to print."""
        return Call(
            "GET",
            "/api/v1/analytics/report",
            str,
            query={"period": period, "from": from_, "to": to, "tz": tz, "format": "html"},
        )

    @operation
    def export_csv(
        self,
        *,
        period: Literal["24h", "7d", "30d", "90d"] | None = None,
        from_: str | None = None,
        to: str | None = None,
        tz: str | None = None,
        interval: Literal["hour", "day"] | None = None,
        by: Literal["sending_domain", "recipient_domain", "vmta", "provider", "tag", "batch", "bounce_class"]
        | None = None,
    ) -> Call[str]:
        """Export analytics as CSV."""
        return Call(
            "GET",
            "/api/v1/analytics/export",
            str,
            query={"period": period, "from": from_, "to": to, "tz": tz, "interval": interval, "by": by},
        )
