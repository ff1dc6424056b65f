"""Packing messages into requests to KumoMTA's ``POST /api/inject/v1``.

Content in builder form is a template of nothing but variables, and each recipient brings their values as
``substitutions``. KumoMTA does not expand a value again, so ``{{`` in a customer's text arrives as typed. Headers
and the text body are rendered without escaping, the HTML body is declared safe: all arrive as given. Messages with
the same header names and the same kinds of body thus share a request, whatever their words; a request of a hundred
costs the client little more than a request of one.

What a request cannot hold twice decides the rest: attachments belong to a request, so a message with attachments
travels alone; and failures come back by address, so no address is in a request twice.
"""

from __future__ import annotations

import base64
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache, lru_cache
from typing import Any, NamedTuple

import msgspec

from postmta_ctl.core.attachments import Attachment

TRACE_HEADERS: dict[str, Any] = {
    # Given as a whole: where the object is given, what it leaves out is not what the absent object would mean.
    "received_header": False,
    "supplemental_header": True,
    "header_name": "X-KumoRef",
    "include_meta_names": ["x_rid", "tenant"],
}

_encode = msgspec.json.Encoder().encode
_WORTH_SHARING = 64 * 1024
"""Octets that must be saved before a message with several recipients gets requests of its own."""
_JOINT = len(',"recipients":[]')


class InjectShape(msgspec.Struct, frozen=True, gc=False, cache_hash=True):
    """What messages of one request have in common."""

    envelope_sender: str
    header_names: tuple[str, ...]
    has_text: bool
    has_html: bool


class InjectItem(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """One recipient of one message, ready to go.

    ``metadata`` becomes the message meta ``extra`` on the node; ``rid`` is added to it, empty values are left out.
    The policy reads ``tenant``, ``campaign`` and ``attempt`` there. Its fence lets each (rid, attempt) pass once: what
    the node is known not to have comes again under the next number, what it may have under the same.
    """

    rid: str
    address: str
    message_id: str
    """Id of the message, not the Message-ID field: recipients of the same message share its content."""
    envelope_sender: str
    """Of the request; the node's policy gives each recipient a VERP address instead."""
    headers: Mapping[str, str]
    text: str | None = None
    html: str | None = None
    metadata: Mapping[str, str | int] = {}
    attachments: tuple[Attachment, ...] = ()

    @property
    def shape(self) -> InjectShape:
        """What another item must have in common with this one to share a request."""
        return _shape(self.envelope_sender, tuple(sorted(self.headers)), self.text is not None, self.html is not None)


@lru_cache(maxsize=1000)
def _shape(envelope_sender: str, header_names: tuple[str, ...], has_text: bool, has_html: bool) -> InjectShape:
    """One object for all that are equal, which a dict finds at once."""
    return InjectShape(envelope_sender, header_names, has_text, has_html)


class InjectCall(msgspec.Struct, frozen=True):
    """One request: its JSON body, and who is in it as ``address → rid``."""

    body: bytes
    recipients: dict[str, str]


def pack(items: Iterable[InjectItem], *, max_recipients: int = 100, max_bytes: int = 1_000_000) -> list[InjectCall]:
    """Distribute items over requests; each is in exactly one.

    No request is longer than ``max_bytes`` unless a single item is: that one goes alone, for the node to judge. (A
    node takes 2 MiB unless its ``request_body_limit`` says otherwise.)
    """
    return list(packed(items, max_recipients=max_recipients, max_bytes=max_bytes))


def packed(
    items: Iterable[InjectItem], *, max_recipients: int = 100, max_bytes: int = 1_000_000
) -> Iterator[InjectCall]:
    """The same, one request after another: what was sent need not be kept while the next one is made."""
    for group in _groups(map(_filled, items)):
        for distinct in _rounds(group):
            yield from _calls(distinct, max_recipients, max_bytes)


class _Filled(NamedTuple):
    """An item, its shape, and the values of the template's variables: worked out once, and looked at several times."""

    item: InjectItem
    shape: InjectShape
    values: dict[str, str]


def _filled(item: InjectItem) -> _Filled:
    shape = item.shape
    return _Filled(item, shape, _values(item, shape.header_names))


def content_template(shape: InjectShape, attachments: Sequence[Attachment] = ()) -> dict[str, Any]:
    """The ``content`` object of a request: a variable wherever a message has a value."""
    content: dict[str, Any] = {
        "headers": {name: f"{{{{h{index}}}}}" for index, name in enumerate(shape.header_names)},
    }
    if shape.has_text:
        content["text_body"] = "{{text}}"
    if shape.has_html:
        content["html_body"] = "{{html|safe}}"
    if attachments:
        content["attachments"] = [_attachment(attachment) for attachment in attachments]
    return content


def values_of(item: InjectItem) -> dict[str, str]:
    """The values of the template's variables for one recipient."""
    return _values(item, sorted(item.headers))


def _values(item: InjectItem, names: Sequence[str]) -> dict[str, str]:
    values = dict(zip(_variables(len(names)), map(item.headers.__getitem__, names), strict=True))
    if item.text is not None:
        values["text"] = item.text
    if item.html is not None:
        values["html"] = item.html
    return values


@cache
def _variables(count: int) -> tuple[str, ...]:
    """Names of the variables that stand for header fields; a message has some sixty at most."""
    return tuple(f"h{index}" for index in range(count))


def _groups(filled: Iterable[_Filled]) -> Iterator[list[_Filled]]:
    by_message: dict[tuple[str, InjectShape], list[_Filled]] = {}
    for one in filled:
        by_message.setdefault((one.item.message_id, one.shape), []).append(one)
    mixed: dict[InjectShape, list[_Filled]] = {}
    for (_, shape), group in by_message.items():
        if group[0].item.attachments or _is_worth_sharing(group):
            yield group
        else:
            mixed.setdefault(shape, []).extend(group)
    yield from mixed.values()


def _is_worth_sharing(group: Sequence[_Filled]) -> bool:
    return len(group) > 1 and _octets(_common(group)) * (len(group) - 1) >= _WORTH_SHARING


def _rounds(group: Iterable[_Filled]) -> Iterable[list[_Filled]]:
    """Split so that no address is twice in one list: the n-th item of an address goes to the n-th list."""
    rounds: dict[int, list[_Filled]] = {}
    seen: Counter[str] = Counter()
    for one in group:
        address = one.item.address
        rounds.setdefault(seen[address], []).append(one)
        seen[address] += 1
    return rounds.values()


def _calls(group: list[_Filled], max_recipients: int, max_bytes: int) -> Iterator[InjectCall]:
    common = _common(group)
    frame = _frame(group[0], common)
    own = group[0].values.keys() - common.keys() if common else None
    part: list[bytes] = []
    rids: dict[str, str] = {}
    size = 0
    for one in group:
        recipient = _recipient(one, own)
        full = len(part) == max_recipients or len(frame) + size + len(recipient) + _JOINT > max_bytes
        if part and full:
            yield InjectCall(_body(frame, part), rids)
            part, rids, size = [], {}, 0
        part.append(recipient)
        rids[one.item.address] = one.item.rid
        size += len(recipient) + 1
    yield InjectCall(_body(frame, part), rids)


def _body(frame: bytes, part: Sequence[bytes]) -> bytes:
    return frame[:-1] + b',"recipients":[' + b",".join(part) + b"]}"


def _frame(one: _Filled, common: Mapping[str, str]) -> bytes:
    return _encode(
        {
            "envelope_sender": one.item.envelope_sender,
            "content": content_template(one.shape, one.item.attachments),
            "substitutions": common,
            "template_dialect": "Jinja",
            "trace_headers": TRACE_HEADERS,
        }
    )


def _recipient(one: _Filled, own: Iterable[str] | None) -> bytes:
    """Its part of the request, with the values that are its own; None: all."""
    values, item = one.values, one.item
    metadata = {"rid": item.rid} | {name: value for name, value in item.metadata.items() if value != ""}
    substitutions = values if own is None else {name: values[name] for name in own}
    return _encode({"email": item.address, "substitutions": substitutions, "metadata": metadata})


def _common(group: Sequence[_Filled]) -> dict[str, str]:
    """The values that all items of a group share; they are sent once."""
    common = dict(group[0].values)
    for one in group:
        values = one.values
        differing = [name for name, value in common.items() if values[name] != value]
        for name in differing:
            del common[name]
        if not common:
            break
    return common


def _octets(values: Mapping[str, str]) -> int:
    return sum(map(len, values.values()))


def _attachment(attachment: Attachment) -> dict[str, Any]:
    optional = {"file_name": attachment.file_name, "content_id": attachment.content_id}
    return {
        "data": base64.b64encode(attachment.data).decode("ascii"),
        "base64": True,
        "content_type": attachment.content_type,
    } | {name: value for name, value in optional.items() if value is not None}
