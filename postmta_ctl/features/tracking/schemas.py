"""What the tracking routes give."""

import msgspec


class KnownHost(msgspec.Struct, frozen=True, kw_only=True):
    """A host that tracking links go through."""

    host: str
