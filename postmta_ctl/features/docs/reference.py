"""Reference pages of the guide that are written from the code: settings, events, errors."""

from __future__ import annotations

import typing
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec

from postmta_ctl import settings
from postmta_ctl.compiler.model import Listener
from postmta_ctl.core.event_types import EVENT_TYPES, TEST
from postmta_ctl.features.credits.alerts import CreditsLowData
from postmta_ctl.features.docs.described import Field, fields_of
from postmta_ctl.features.docs.error_codes import classes, raised
from postmta_ctl.features.docs.examples import MOMENT, Examples
from postmta_ctl.features.domains.announcements import DomainData, RotationData
from postmta_ctl.features.security.auto_block.announcements import BlockData
from postmta_ctl.features.security.blocklists.monitor import ListingData
from postmta_ctl.features.warmup.governor import WarmupData
from postmta_ctl.features.webhooks.payloads import AttemptData, TestData, TrackingData, VmtaData, WebhookDisabledData

PAYLOADS: dict[str, type[msgspec.Struct]] = {
    "message.opened": TrackingData,
    "message.clicked": TrackingData,
    "message.": AttemptData,
    "security.": BlockData,
    "domain.dkim_rotation_": RotationData,
    "domain.": DomainData,
    "credits.low": CreditsLowData,
    "vmta.paused": VmtaData,
    "vmta.resumed": VmtaData,
    "vmta.listed": ListingData,
    "vmta.delisted": ListingData,
    "vmta.warmup_": WarmupData,
    "webhook.disabled": WebhookDisabledData,
    TEST: TestData,
}
"""Beginnings of event types → their ``data``; the first that fits."""


def payload_of(event_type: str) -> type[msgspec.Struct]:
    """The struct of the ``data`` of an event."""
    return next(struct for begin, struct in PAYLOADS.items() if event_type.startswith(begin))


def pages() -> dict[str, str]:
    """The pages by their names, in Markdown."""
    return {"settings": _settings(), "events": _events(), "errors": _errors()}


def _settings() -> str:
    own = [one for one in fields_of(settings.Settings) if one.name not in settings.TABLES]
    parts = [
        "# Every setting",
        "",
        "From variables `POSTMTA_…`, and a TOML file that `POSTMTA_CONFIG` names, in which they stand without the",
        "prefix in lower case. A variable comes before the file. An unknown setting is refused by name, and the",
        "process does not start. What this page calls a table stands in the file only.",
        "",
        "Secrets may be read from a file: add `_FILE` to the variable. They are "
        + ", ".join(f"`{settings.PREFIX}{name.upper()}`" for name in sorted(settings.SECRETS))
        + ".",
        "",
        *_table(own, lambda one: f"{settings.PREFIX}{one.name.upper()}"),
    ]
    tables: dict[str, type[msgspec.Struct]] = {
        "billing": settings.BillingSettings,
        "dnsbl": settings.DnsblSettings,
        "policy": settings.PolicySettings,
    }
    for name, struct in tables.items():
        parts += ["", f"## The table `[{name}]`", "", *_table(fields_of(struct), lambda one: one.name)]
    parts += ["", "### A listener", "", "An entry of `smtp_listeners`, `submission_listeners` or `http_listeners`.", ""]
    return "\n".join([*parts, *_table(fields_of(Listener), lambda one: one.name), ""])


def _table(fields: list[Field], shown: Callable[[Field], str]) -> Iterator[str]:
    yield from ("| setting | kind | default | meaning |", "|---|---|---|---|")
    for one in fields:
        yield f"| `{shown(one)}` | `{_cell(one.type)}` | {_default(one.default)} | {_cell(_plain(one.words))} |"


def _default(value: Any) -> str:
    if value is msgspec.NODEFAULT:
        return "needed"
    if isinstance(value, Path):
        return f"`{value}`"
    if value in ("", None, {}, ()):
        return ""
    return f"`{_cell(msgspec.json.encode(value).decode())}`"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def _plain(words: str) -> str:
    """Words of a docstring in Markdown."""
    return words.replace("``", "`").replace(":class:", "").replace(":func:", "").replace(":data:", "")


def _events() -> str:
    parts = [
        "# Every event",
        "",
        "What webhooks are told (`/api/v1/webhooks`). The body is always",
        '`{"type": …, "timestamp": …, "data": {…}}`, signed as [Standard Webhooks](https://www.standardwebhooks.com)',
        "describes it; `postmta_ctl.client.verify` checks that, and so do the libraries of Standard Webhooks. Fields",
        "that have no value may be left out, and new ones may appear: pass over what you do not know. An event may",
        "come more than once, under the same `webhook-id`.",
        "",
        "| type | when | data |",
        "|---|---|---|",
    ]
    every = EVENT_TYPES | {TEST: "Sent by request, to one endpoint."}
    for name, words in every.items():
        data = payload_of(name)
        parts.append(f"| `{name}` | {words} | [{data.__name__}](#{data.__name__.lower()}) |")
    for struct in dict.fromkeys(payload_of(name) for name in every):
        example = next(name for name in every if payload_of(name) is struct)
        parts += _payload(struct, example)
    return "\n".join([*parts, ""])


def _payload(struct: type[msgspec.Struct], event_type: str) -> Iterator[str]:
    yield from ("", f"## {struct.__name__}", "", _plain(" ".join((struct.__doc__ or "").split())), "")
    yield from _fields(struct)
    for nested in _nested(struct):
        yield from ("", f"Each `{nested.__name__}`:", "")
        yield from _fields(nested)
    schema, components = _schema(struct)
    body = {"type": event_type, "timestamp": MOMENT, "data": Examples(components).answer(schema)}
    yield from ("", "```json", msgspec.json.format(msgspec.json.encode(body), indent=2).decode(), "```")


def _fields(struct: type[msgspec.Struct]) -> Iterator[str]:
    yield from ("| field | kind | meaning |", "|---|---|---|")
    for one in fields_of(struct):
        yield f"| `{one.name}` | `{_cell(one.type)}` | {_cell(_plain(one.words))} |"


def _schema(struct: type[msgspec.Struct]) -> tuple[dict[str, Any], dict[str, Any]]:
    (schema,), components = msgspec.json.schema_components([struct], ref_template="#/components/schemas/{name}")
    return schema, components


def _nested(struct: type[msgspec.Struct]) -> Iterator[type[msgspec.Struct]]:
    for one in msgspec.structs.fields(struct):
        for kind in (one.type, *typing.get_args(one.type)):
            # ``list[str]`` is taken for a class by Python 3.11.
            if not typing.get_origin(kind) and isinstance(kind, type) and issubclass(kind, msgspec.Struct):
                yield kind


def _errors() -> str:
    parts = [
        "# Every error code",
        "",
        "Errors are `application/problem+json` (RFC 9457): `title`, `status`, `detail`, `code`, `request_id`, and",
        "`errors` with `field`, `message` and `code` of each field at fault. Decide by codes; the words may change.",
        "Quote `request_id` when you ask whoever runs the service: its log has the same.",
        "",
        "## Of the answer",
        "",
        "| code | status | meaning |",
        "|---|---|---|",
    ]
    for kind in classes():
        words = _plain(" ".join((kind.__doc__ or "").split()))
        parts.append(f"| `{kind.code}` | {kind.status} | {_cell(words)} |")
    found = raised()
    parts += ["", "More particular ones, in place of those:", "", "| code | status | words |", "|---|---|---|"]
    parts += [f"| `{one.code}` | {one.status} | {_cell(one.words)} |" for one in found if one.status]
    parts += [
        "",
        "## Of a field",
        "",
        "In `errors`. `invalid` is the code of what has none of its own, such as a value of the wrong kind. The words",
        "are those of one place that gives the code.",
        "",
        "| code | words |",
        "|---|---|",
    ]
    parts += [f"| `{one.code}` | {_cell(one.words)} |" for one in found if not one.status]
    return "\n".join([*parts, ""])
