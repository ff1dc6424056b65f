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
import itertools
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any, NamedTuple, TypeVar

import msgspec

from postmta_ctl.core.attachments import Attachment
from postmta_ctl.core.kept_content import KeptContent, split, values_of, variables

TRACE_HEADERS: dict[str, Any] = {
    # Given as a whole: where the object is given, what it leaves out is not what the absent object would mean.
    "received_header": False,
    "supplemental_header": True,
    "header_name": "X-KumoRef",
    "include_meta_names": ["x_rid", "tenant"],
}

T = TypeVar("T")
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
    headers: Mapping[str, str] = {}
    text: str | None = None
    html: str | None = None
    kept: KeptContent | None = None
    """Header fields and bodies as they were kept, in the place of the three above; without attachments."""
    metadata: Mapping[str, str | int] = {}
    attachments: tuple[Attachment, ...] = ()

    @property
    def kept_values(self) -> bytes:
        """The values that were kept."""
        assert self.kept is not None
        return self.kept.values

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
    looked_at: list[_Filled] = []
    as_kept: dict[_KeptShape, list[InjectItem]] = {}
    for item in items:
        if (kept := item.kept) is None:
            looked_at.append(_filled(item))
        else:
            shape = item.envelope_sender, kept.header_names, kept.has_text, kept.has_html
            as_kept.setdefault(shape, []).append(item)
    for frame, parts in itertools.chain(_requests(looked_at), _kept_requests(as_kept)):
        yield from _calls(frame, parts, max_recipients, max_bytes)


_KeptShape = tuple[str, str, bool, bool]
"""What ``InjectShape`` says."""
_Parts = Iterator[tuple[InjectItem, bytes]]
"""Items and their part of the request."""


class _Filled(NamedTuple):
    """An item, its shape, and the values of the template's variables: worked out once, and looked at several times."""

    item: InjectItem
    shape: InjectShape
    values: dict[str, str]


def _filled(item: InjectItem) -> _Filled:
    shape = item.shape
    return _Filled(item, shape, values_of(shape.header_names, item.headers, item.text, item.html))


def content_template(shape: InjectShape, attachments: Sequence[Attachment] = ()) -> dict[str, Any]:
    """The ``content`` object of a request: a variable wherever a message has a value."""
    names = variables(len(shape.header_names))
    content: dict[str, Any] = {
        "headers": {header: f"{{{{{name}}}}}" for header, name in zip(shape.header_names, names, strict=True)},
    }
    if shape.has_text:
        content["text_body"] = "{{text}}"
    if shape.has_html:
        content["html_body"] = "{{html|safe}}"
    if attachments:
        content["attachments"] = [_attachment(attachment) for attachment in attachments]
    return content


def _requests(filled: Iterable[_Filled]) -> Iterator[tuple[bytes, _Parts]]:
    """The frame of requests, with what each of its items adds."""
    for group in _groups(filled):
        for distinct in _rounds(group, lambda one: one.item.address):
            common = _common(distinct)
            own = distinct[0].values.keys() - common.keys() if common else None
            frame = _frame(distinct[0].shape, common, distinct[0].item.attachments)
            yield frame, ((one.item, _own_part(one, own)) for one in distinct)


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


def _kept_requests(as_kept: Mapping[_KeptShape, list[InjectItem]]) -> Iterator[tuple[bytes, _Parts]]:
    """The same for items whose values nobody looks at."""
    for (sender, header_names, has_text, has_html), items in as_kept.items():
        shape = _shape(sender, split(header_names), has_text, has_html)
        for group, shared in _kept_groups(items):
            for distinct in _rounds(group, lambda one: one.address):
                yield _frame(shape, shared), ((one, _kept_part(one, is_shared=bool(shared))) for one in distinct)


def _kept_groups(items: list[InjectItem]) -> Iterator[tuple[list[InjectItem], msgspec.Raw | dict[str, str]]]:
    """Items as they may share requests, and values sent once for them: recipients of a message have the same."""
    if len({one.message_id for one in items}) == len(items):
        yield items, {}
        return
    by_message: dict[str, list[InjectItem]] = {}
    for one in items:
        by_message.setdefault(one.message_id, []).append(one)
    mixed: list[InjectItem] = []
    for group in by_message.values():
        values = group[0].kept_values
        if len(group) > 1 and len(values) * (len(group) - 1) >= _WORTH_SHARING:
            yield group, msgspec.Raw(values)
        else:
            mixed += group
    if mixed:
        yield mixed, {}


def _rounds(group: list[T], address_of: Callable[[T], str]) -> Iterable[list[T]]:
    """Split so that no address is twice in one list: the n-th item of an address goes to the n-th list."""
    if len(set(map(address_of, group))) == len(group):
        return [group]
    rounds: dict[int, list[T]] = {}
    seen: Counter[str] = Counter()
    for one in group:
        address = address_of(one)
        rounds.setdefault(seen[address], []).append(one)
        seen[address] += 1
    return rounds.values()


def _calls(frame: bytes, parts: _Parts, max_recipients: int, max_bytes: int) -> Iterator[InjectCall]:
    taken: list[bytes] = []
    rids: dict[str, str] = {}
    size = 0
    for item, part in parts:
        full = len(taken) == max_recipients or len(frame) + size + len(part) + _JOINT > max_bytes
        if taken and full:
            yield InjectCall(_body(frame, taken), rids)
            taken, rids, size = [], {}, 0
        taken.append(part)
        rids[item.address] = item.rid
        size += len(part) + 1
    yield InjectCall(_body(frame, taken), rids)


def _body(frame: bytes, parts: Sequence[bytes]) -> bytes:
    return frame[:-1] + b',"recipients":[' + b",".join(parts) + b"]}"


def _frame(
    shape: InjectShape, shared: Mapping[str, str] | msgspec.Raw, attachments: Sequence[Attachment] = ()
) -> bytes:
    return _encode(
        {
            "envelope_sender": shape.envelope_sender,
            "content": content_template(shape, attachments),
            "substitutions": shared,
            "template_dialect": "Jinja",
            "trace_headers": TRACE_HEADERS,
        }
    )


class _Recipient(msgspec.Struct, gc=False):
    """Of a request, with the values that are its own."""

    email: str
    substitutions: dict[str, str] | msgspec.Raw
    metadata: dict[str, str | int]


def _own_part(one: _Filled, own: Iterable[str] | None) -> bytes:
    """Its part of the request, with these of its values; None: all."""
    substitutions = one.values if own is None else {name: one.values[name] for name in own}
    return _encode(_Recipient(one.item.address, substitutions, _metadata(one.item)))


def _kept_part(item: InjectItem, *, is_shared: bool) -> bytes:
    return _encode(_Recipient(item.address, {} if is_shared else msgspec.Raw(item.kept_values), _metadata(item)))


def _metadata(item: InjectItem) -> dict[str, str | int]:
    metadata = {"rid": item.rid, **item.metadata}
    if "" in metadata.values():
        return {name: value for name, value in metadata.items() if value != ""}
    return metadata


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
