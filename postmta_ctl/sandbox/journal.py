"""One step of the node: what it changes in the spool and what it logs, written together at its end.

So a message and the records about it are both there after a crash, or neither; what the local logs lack then is made up
for at the next start.
"""

from __future__ import annotations

from postmta_ctl.sandbox.logs import Loggers
from postmta_ctl.sandbox.mail import Mail
from postmta_ctl.sandbox.records import LogRecord
from postmta_ctl.sandbox.spool import Report, Spool


class Journal:
    """Collects changes until they are committed."""

    def __init__(self, spool: Spool, loggers: Loggers) -> None:
        self._spool = spool
        self._loggers = loggers
        self._added: dict[str, tuple[Mail, bytes]] = {}
        self._changed: dict[str, Mail] = {}
        self._removed: list[str] = []
        self._records: list[LogRecord] = []
        self._reports: list[Report] = []
        self._arrived: list[str] = []

    def add(self, mail: Mail, data: bytes) -> None:
        """A new message."""
        self._added[mail.id] = (mail, data)

    def change(self, mail: Mail) -> None:
        """A message that stands elsewhere now."""
        self._changed[mail.id] = mail

    def remove(self, mail: Mail) -> None:
        """A message that the node has done with."""
        self._changed.pop(mail.id, None)
        if self._added.pop(mail.id, None) is None:
            self._removed.append(mail.id)

    def log(self, record: LogRecord) -> None:
        """Something to log."""
        self._records.append(record)

    def expect(self, report: Report) -> None:
        """A report that will come in later."""
        self._reports.append(report)

    def arrived(self, report: Report) -> None:
        """A report that has come in."""
        self._arrived.append(report.id)

    def commit(self, now: int) -> list[Mail]:
        """Write everything.

        Returns:
            What is new in the spool and yet to be queued: messages, and those that carry records to the hooks.
        """
        carriers = [mail for record in self._records for mail in self._loggers.hook_mails(record)]
        lines = self._loggers.local_lines(self._records)
        with self._spool.transaction():
            self._write(carriers)
            if self._records:
                self._spool.keep_lines(lines)
        self._loggers.write_local(lines, now)
        return [*(mail for mail, _ in self._added.values()), *carriers]

    def _write(self, carriers: list[Mail]) -> None:
        for mail, data in self._added.values():
            self._spool.add(mail, data)
        for mail in carriers:
            assert mail.data is not None
            self._spool.add(mail, mail.data)
        for mail in self._changed.values():
            self._spool.update(mail)
        for spool_id in self._removed:
            self._spool.remove(spool_id)
        for report in self._reports:
            self._spool.add_report(report)
        for report_id in self._arrived:
            self._spool.remove_report(report_id)
