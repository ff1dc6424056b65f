"""Security."""

from __future__ import annotations

from postmta_ctl.client.calls import Call, Group, R_co, operation
from postmta_ctl.features.security.spam.schemas import ScoreRequest, SpamScore
from postmta_ctl.features.security.status.schemas import SecurityStatus
from postmta_ctl.features.security.virus.schemas import ScanRequest, ScanResult


class Security(Group[R_co]):
    """What stands in the document under Security."""

    @operation
    def status(self) -> Call[SecurityStatus]:
        """Security system status overview."""
        return Call("GET", "/api/v1/security/status", SecurityStatus)

    @operation
    def spam_score(self, body: ScoreRequest) -> Call[SpamScore]:
        """Analyze message spam score."""
        return Call("POST", "/api/v1/security/spam-score", SpamScore, body=body)

    @operation
    def av_scan(self, body: ScanRequest) -> Call[ScanResult]:
        """Scan attachment for viruses."""
        return Call("POST", "/api/v1/security/av-scan", ScanResult, body=body)
