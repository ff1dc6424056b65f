"""vMTAs."""

from __future__ import annotations

from types import NoneType
from typing import Literal

from postmta_ctl.client.calls import Call, Group, Page, R_co, listing, operation
from postmta_ctl.features.warmup.forecast_schemas import ForecastRequest, WarmupForecast
from postmta_ctl.features.warmup.schemas import (
    Schedule,
    ScheduleCreate,
    Schedules,
    ScheduleUpdate,
    WarmupDecision,
    WarmupStart,
    WarmupStatus,
)


class Warmup(Group[R_co]):
    """What stands in the document under vMTAs."""

    @operation
    def get(self, vmta_id: str) -> Call[WarmupStatus]:
        """Get warmup status."""
        return Call("GET", "/api/v1/vmtas/{vmta_id}/warmup", WarmupStatus, parts={"vmta_id": vmta_id})

    @listing
    def list_decisions(
        self, vmta_id: str, *, limit: int | None = None, cursor: str | None = None, sort: str | None = None
    ) -> Call[Page[WarmupDecision]]:
        """List warm-up decisions."""
        return Call(
            "GET",
            "/api/v1/vmtas/{vmta_id}/warmup/decisions",
            Page[WarmupDecision],
            parts={"vmta_id": vmta_id},
            query={"limit": limit, "cursor": cursor, "sort": sort},
        )

    @operation
    def start(self, vmta_id: str, body: WarmupStart) -> Call[WarmupStatus]:
        """Start a warm-up."""
        return Call("POST", "/api/v1/vmtas/{vmta_id}/warmup/start", WarmupStatus, parts={"vmta_id": vmta_id}, body=body)

    @operation
    def pause(self, vmta_id: str) -> Call[WarmupStatus]:
        """Pause a warm-up."""
        return Call("POST", "/api/v1/vmtas/{vmta_id}/warmup/pause", WarmupStatus, parts={"vmta_id": vmta_id})

    @operation
    def resume(self, vmta_id: str) -> Call[WarmupStatus]:
        """Resume a warm-up."""
        return Call("POST", "/api/v1/vmtas/{vmta_id}/warmup/resume", WarmupStatus, parts={"vmta_id": vmta_id})

    @operation
    def skip_stage(self, vmta_id: str) -> Call[WarmupStatus]:
        """Skip a stage of a warm-up."""
        return Call("POST", "/api/v1/vmtas/{vmta_id}/warmup/skip", WarmupStatus, parts={"vmta_id": vmta_id})

    @operation
    def complete(self, vmta_id: str) -> Call[WarmupStatus]:
        """Complete a warm-up."""
        return Call("POST", "/api/v1/vmtas/{vmta_id}/warmup/complete", WarmupStatus, parts={"vmta_id": vmta_id})

    @operation
    def forecast(self, body: ForecastRequest) -> Call[WarmupForecast]:
        """Forecast warm-ups."""
        return Call("POST", "/api/v1/warmup/forecast", WarmupForecast, body=body)

    @operation
    def render_forecast(self, body: ForecastRequest, *, format_: Literal["csv", "svg", "html"]) -> Call[str]:
        """The same as a file."""
        return Call("POST", "/api/v1/warmup/forecast", str, query={"format": format_}, body=body)

    @operation
    def list_schedules(self) -> Call[Schedules]:
        """List warm-up schedules."""
        return Call("GET", "/api/v1/warmup/schedules", Schedules)

    @operation
    def create_schedule(self, body: ScheduleCreate) -> Call[Schedule]:
        """Keep a warm-up schedule."""
        return Call("POST", "/api/v1/warmup/schedules", Schedule, body=body)

    @operation
    def get_schedule(self, schedule_id: str) -> Call[Schedule]:
        """Get a warm-up schedule by ID."""
        return Call("GET", "/api/v1/warmup/schedules/{schedule_id}", Schedule, parts={"schedule_id": schedule_id})

    @operation
    def update_schedule(self, schedule_id: str, body: ScheduleUpdate, *, if_match: str | None = None) -> Call[Schedule]:
        """Change a warm-up schedule."""
        return Call(
            "PUT",
            "/api/v1/warmup/schedules/{schedule_id}",
            Schedule,
            parts={"schedule_id": schedule_id},
            body=body,
            headers={"If-Match": if_match},
        )

    @operation
    def delete_schedule(self, schedule_id: str, *, if_match: str | None = None) -> Call[None]:
        """Delete a warm-up schedule."""
        return Call(
            "DELETE",
            "/api/v1/warmup/schedules/{schedule_id}",
            NoneType,
            parts={"schedule_id": schedule_id},
            headers={"If-Match": if_match},
        )
