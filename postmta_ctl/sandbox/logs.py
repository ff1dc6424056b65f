"""Where log records go: the local logs and log hooks that the policy declared, each with its own choice of meta."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from postmta_ctl.luavm import Clock, Message, PolicyError, Vm
from postmta_ctl.luavm.configs import LogOutput
from postmta_ctl.luavm.headers import split_message
from postmta_ctl.sandbox.durations import seconds
from postmta_ctl.sandbox.locallog import LocalLog
from postmta_ctl.sandbox.mail import Mail, SpoolIds
from postmta_ctl.sandbox.records import LOG_RECORD, LogRecord, chosen

_json = msgspec.json.Encoder()


class Loggers:
    """All loggers of the node.

    Args:
        local: the local logs that ``init`` declared; several of them get folders of their own below ``directory``.
        hooks: the log hooks.
        directory: where local logs are written, whatever the policy says.
        vm: gives the Lua context to ask.
        complain: writes an error to the node's log.
    """

    def __init__(
        self,
        local: Sequence[LogOutput],
        hooks: Sequence[LogOutput],
        *,
        directory: Path,
        vm: Callable[[], Vm],
        complain: Callable[[str], None],
        ids: SpoolIds,
        clock: Clock,
    ) -> None:
        folders = [directory] if len(local) == 1 else [directory / str(number) for number, _ in enumerate(local, 1)]
        self._local = [(output, _local_log(output, folder)) for output, folder in zip(local, folders, strict=True)]
        self._hooks = list(hooks)
        self._vm = vm
        self._complain = complain
        self._ids = ids
        self._clock = clock
        self._headers = tuple({name for output in [*local, *hooks] for name in output.headers})

    def headers_of(self, data: bytes) -> dict[str, Any]:
        """The header fields of a message that any logger wants."""
        found: dict[str, Any] = {}
        for field in split_message(data)[0] if self._headers else ():
            if not chosen({field.name: None}, self._headers):
                continue
            if field.name in found:
                earlier = found[field.name]
                found[field.name] = [*(earlier if isinstance(earlier, list) else [earlier]), field.value]
            else:
                found[field.name] = field.value
        return found

    def local_lines(self, records: Sequence[LogRecord]) -> list[list[bytes]]:
        """What each of the local logs says of records."""
        return [
            [line_of(output, record) for record in records if output.takes(record.type)] for output, _ in self._local
        ]

    def write_local(self, lines: Sequence[Sequence[bytes]], now: int) -> None:
        """Append lines to the local logs, to each its own."""
        for (_, log), own in zip(self._local, lines, strict=True):
            log.write(own, now)

    def make_up(self, last_lines: Callable[[int], list[bytes]], now: int) -> None:
        """Append what the local logs miss of the last lines for them: the process died before it wrote them."""
        for number, (_, log) in enumerate(self._local):
            there = log.newest()
            log.write([line for line in last_lines(number) if line not in there], now)

    def hook_mails(self, record: LogRecord) -> list[Mail]:
        """The messages that carry a record to the hooks, as far as the policy wants it carried.

        A policy that fails here loses the record for the hook: KumoMTA only logs the failure.
        """
        if record.reception_protocol == LOG_RECORD:
            return []
        mails = (self._hook_mail(hook, record) for hook in self._hooks if hook.takes(record.type))
        return [mail for mail in mails if mail is not None]

    def _hook_mail(self, hook: LogOutput, record: LogRecord) -> Mail | None:
        line = line_of(hook, record)
        mail = Mail(
            id=self._ids.next(),
            sender=record.sender,
            recipients=[record.recipient] if isinstance(record.recipient, str) else list(record.recipient),
            meta={**chosen(record.meta, hook.meta), "reception_protocol": LOG_RECORD},
            data=line,
            size=len(line),
            queue="",
            record_type=record.type,
        )
        message = as_message(mail, self._clock)
        try:
            if not self._vm().log_record(message, hook.name):
                return None
        except PolicyError as error:
            self._complain(f"should_enqueue_log_record: {error}")
            return None
        mail.take_over(message)
        mail.meta.pop("log_record", None)
        mail.queue = message.queue_name
        return mail

    def rotate(self, now: int) -> None:
        """Close segments whose time is up."""
        for _, log in self._local:
            log.rotate(now)

    def close(self) -> None:
        """Finish all segments."""
        for _, log in self._local:
            log.close()


def as_message(mail: Mail, clock: Clock) -> Message:
    """A hook's message as policies see it: its meta ``log_record`` is the record that it carries."""
    assert mail.data is not None
    message = mail.as_message(mail.data, clock)
    message.meta["log_record"] = msgspec.json.decode(mail.data)
    return message


def line_of(output: LogOutput, record: LogRecord) -> bytes:
    """A record as one logger writes it: a JSON line."""
    return _json.encode(_for(output, record)) + b"\n"


def _for(output: LogOutput, record: LogRecord) -> LogRecord:
    meta: Mapping[str, Any] = chosen(record.meta, output.meta)
    return msgspec.structs.replace(record, meta=meta, headers=chosen(record.headers, output.headers))


def _local_log(output: LogOutput, directory: Path) -> LocalLog:
    span = output.seconds("max_segment_duration")
    return LocalLog(
        directory,
        segment_span=None if span is None else seconds(span),
        max_size=int(output.values["max_file_size"]),
    )
