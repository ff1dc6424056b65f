"""A message as policies see it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from postmta_ctl.luavm.addresses import EnvelopeAddress, HeaderAddressList
from postmta_ctl.luavm.clock import Clock, SystemClock
from postmta_ctl.luavm.conformance import check_and_fix
from postmta_ctl.luavm.convert import to_bytes, to_text, type_name
from postmta_ctl.luavm.errors import LuaProblem
from postmta_ctl.luavm.headers import HeaderField, join_message, make_field, split_message
from postmta_ctl.luavm.queues import QueueName
from postmta_ctl.luavm.signing import Signer
from postmta_ctl.luavm.userdata import Userdata

if TYPE_CHECKING:
    from postmta_ctl.luavm.context import Context

_QUEUE_META = frozenset(["queue", "tenant", "campaign", "routing_domain"])
_SEPARATORS = frozenset(":@!")
AnyAddress = str | EnvelopeAddress


class Message(Userdata):
    """A message with its envelope, its metadata and its bytes.

    Attributes:
        meta: the metadata, JSON-like; ``queue``, ``tenant``, ``campaign`` and ``routing_domain`` name its queue.
        data: the message as it would travel, CRLF and all.
        due: when it may next be tried, if that was set.
        scheduling: the delivery window of ``set_scheduling``.
        saves: how often the policy asked to have it written to the spool.
    """

    lua_type = "Message"

    def __init__(
        self,
        id: str,  # noqa: A002 - KumoMTA's word
        sender: str,
        recipients: Sequence[str],
        data: bytes = b"",
        meta: Mapping[str, Any] | None = None,
        clock: Clock | None = None,
    ) -> None:
        self.id = id
        self.sender = EnvelopeAddress(sender)
        self.recipients = [EnvelopeAddress(recipient) for recipient in recipients]
        self.data = data
        self.meta = dict(meta or {})
        self.clock = clock or SystemClock()
        self.num_attempts = 0
        self.due: datetime | None = None
        self.scheduling: dict[str, Any] | None = None
        self.saves = 0

    @property
    def queue_name(self) -> str:
        """The scheduled queue: meta ``queue``, or else made of the other three and the recipient's domain."""
        if queue := self.meta.get("queue"):
            return str(queue)
        domain = self.recipients[0].domain.lower() if self.recipients else ""
        names = {name: self.meta.get(name) for name in ("tenant", "campaign", "routing_domain")}
        return str(QueueName(domain, **names))

    # -- identity, envelope, meta -------------------------------------------------------------------------------

    def lua_id(self, _vm: Context) -> str:
        """The spool id."""
        return self.id

    def lua_sender(self, _vm: Context) -> EnvelopeAddress:
        """The envelope sender."""
        return self.sender

    def lua_set_sender(self, _vm: Context, sender: AnyAddress) -> None:
        """Change the envelope sender, for VERP say."""
        self.sender = _address(sender)

    def lua_recipient(self, _vm: Context) -> EnvelopeAddress | list[EnvelopeAddress] | None:
        """The recipient, or a list as soon as there are several."""
        if len(self.recipients) == 1:
            return self.recipients[0]
        return self.recipients or None

    def lua_recipient_list(self, _vm: Context) -> list[EnvelopeAddress]:
        """The recipients, always as a list."""
        return self.recipients

    def lua_set_recipient(self, _vm: Context, recipient: AnyAddress | list[AnyAddress]) -> None:
        """Replace the recipients."""
        given = recipient if isinstance(recipient, list) else [recipient]
        self.recipients = [_address(one) for one in given]

    def lua_get_meta(self, _vm: Context, name: str) -> object:
        """A value, nil when unset."""
        return self.meta.get(name)

    def lua_set_meta(self, _vm: Context, name: str, value: object) -> None:
        """Set a value; those that make up the queue's name must be strings that can stand in it."""
        if name in _QUEUE_META and not isinstance(value, str):
            raise LuaProblem("wrong_type", f"meta {name} must be a string, not a {type_name(value)}")
        if name in ("tenant", "campaign") and _SEPARATORS & set(str(value)):
            raise LuaProblem("lenient_queue_name", f"{value!r} holds a character that separates the parts of a queue")
        self.meta[name] = value

    def lua_queue_name(self, _vm: Context) -> str:
        """The scheduled queue it belongs to."""
        return self.queue_name

    def lua_num_attempts(self, _vm: Context) -> int:
        """Failed attempts so far."""
        return self.num_attempts

    def lua_increment_num_attempts(self, _vm: Context) -> None:
        """Count one more failed attempt."""
        self.num_attempts += 1

    def lua_set_due(self, _vm: Context, due: str | None) -> str | None:
        """Set the next attempt (RFC 3339), or let it be now."""
        self.due = datetime.fromisoformat(due) if due else None
        return due

    def lua_set_scheduling(self, _vm: Context, params: dict[str, Any] | None) -> dict[str, Any] | None:
        """Set or clear the delivery window."""
        given = {name: value for name, value in (params or {}).items() if value is not None}
        window = {"dow", "tz", "start", "end"}
        if window & given.keys() and not window <= given.keys():
            raise LuaProblem("missing_option", "dow, tz, start and end belong together")
        self.scheduling = given or None
        return self.scheduling

    def lua_shrink(self, _vm: Context) -> bool:
        """Memory is not simulated: nothing to let go."""
        return False

    lua_shrink_data = lua_shrink

    def lua_save(self, _vm: Context) -> None:
        """Write it to the spool."""
        self.saves += 1

    def lua_set_force_sync(self, _vm: Context, _force: bool) -> None:
        """No spool here, nothing to sync."""

    # -- bytes and headers --------------------------------------------------------------------------------------

    def lua_get_data(self, _vm: Context) -> bytes:
        """The bytes of the message."""
        return self.data

    def lua_set_data(self, _vm: Context, data: str) -> None:
        """Replace the bytes of the message."""
        self.data = to_bytes(data)

    @property
    def headers(self) -> list[HeaderField]:
        """The header fields in order."""
        return split_message(self.data)[0]

    def _edit(self, change: Callable[[list[HeaderField]], Iterable[HeaderField]]) -> None:
        fields, body = split_message(self.data)
        self.data = join_message(change(fields), body)

    def lua_append_header(self, _vm: Context, name: str, value: str, encode: bool | None) -> None:
        """Add a header below the others."""
        field = make_field(name, value, encode=encode is not False)
        self._edit(lambda fields: [*fields, field])

    def lua_prepend_header(self, _vm: Context, name: str, value: str, encode: bool | None) -> None:
        """Add a header on top."""
        self.prepend(make_field(name, value, encode=encode is not False))

    def prepend(self, field: HeaderField) -> None:
        """Put a field on top."""
        self.data = field.raw + b"\r\n" + self.data

    def lua_remove_all_named_headers(self, _vm: Context, name: str) -> None:
        """Remove each header of that name."""
        self._remove(lambda field: field.is_named(name))

    def lua_remove_x_headers(self, _vm: Context, names: list[str] | None) -> None:
        """Remove the named X- headers, or all of them."""
        self._remove(lambda field: _is_chosen(field, names))

    def _remove(self, unwanted: Callable[[HeaderField], bool]) -> None:
        self._edit(lambda fields: [field for field in fields if not unwanted(field)])

    def lua_get_first_named_header_value(self, _vm: Context, name: str) -> str | None:
        """The decoded value of the first header of that name."""
        return next(iter(self.header_values(name)), None)

    def lua_get_all_named_header_values(self, _vm: Context, name: str) -> list[str]:
        """The decoded values of each header of that name."""
        return self.header_values(name)

    def header_values(self, name: str) -> list[str]:
        """The decoded values of each header of that name."""
        return [field.value for field in self.headers if field.is_named(name)]

    def lua_get_all_headers(self, _vm: Context) -> list[list[str]]:
        """Name and decoded value of each header."""
        return [[field.name, field.value] for field in self.headers]

    def lua_get_address_header(self, _vm: Context, name: str) -> HeaderAddressList | None:
        """The addresses in the first header of that name."""
        raw = [field.raw_value for field in self.headers if field.is_named(name)]
        return HeaderAddressList(to_text(raw[0]).strip()) if raw else None

    def lua_from_header(self, vm: Context) -> HeaderAddressList | None:
        """The addresses in From."""
        return self.lua_get_address_header(vm, "From")

    def lua_to_header(self, vm: Context) -> HeaderAddressList | None:
        """The addresses in To."""
        return self.lua_get_address_header(vm, "To")

    def lua_import_x_headers(self, _vm: Context, names: list[str] | None) -> None:
        """Copy the named X- headers, or all of them, into the meta (``X-Job-Id`` as ``x_job_id``)."""
        for field in self.headers:
            if _is_chosen(field, names):
                self.meta[field.name.lower().replace("-", "_")] = field.value

    def lua_import_headers(self, _vm: Context, specs: list[dict[str, Any]]) -> None:
        """Copy headers into the meta, each as its spec says (KumoMTA's ImportHeaderSpec)."""
        for spec in specs:
            values = self.header_values(spec["name"])
            if values:
                target = spec["target"] or _transformed(spec["name"], spec["transform"])
                self.meta[target] = {"first": values[0], "last": values[-1], "all": values}[spec["match"]]
            if spec["remove"]:
                self._remove(lambda field, name=spec["name"]: field.is_named(name))  # type: ignore[misc]

    def lua_check_fix_conformance(
        self, _vm: Context, checks: str, fixes: str, settings: dict[str, Any] | None
    ) -> str | None:
        """Report the problems in ``checks``, mend those in ``fixes``; nil when all is well."""
        message_id = (settings or {}).get("message_id") or f"<{self.id}@localhost>"
        self.data, problem = check_and_fix(self.data, checks, fixes, self.clock.now(), message_id)
        return problem

    def lua_dkim_sign(self, vm: Context, signer: Signer) -> None:
        """Put a DKIM-Signature on top."""
        self.prepend(signer.sign(self.data, vm.node.clock.now()))


def _address(value: AnyAddress) -> EnvelopeAddress:
    return value if isinstance(value, EnvelopeAddress) else EnvelopeAddress.parse(value)


def _is_chosen(field: HeaderField, names: Iterable[str] | None) -> bool:
    wanted = {name.lower() for name in names or ()}
    return field.name.lower() in wanted if wanted else field.name.lower().startswith("x-")


def _transformed(name: str, transform: str) -> str:
    """A header's name as a meta key: ``X-Job-Id`` as x_job_id, x-job-id, xJobId or XJobId."""
    words = name.lower().split("-")
    capitalized = "".join(word.capitalize() for word in words)
    spellings = {
        "snake_case": "_".join(words),
        "kebab_case": "-".join(words),
        "camel_case": capitalized[:1].lower() + capitalized[1:],
        "pascal_case": capitalized,
    }
    return spellings[transform]
