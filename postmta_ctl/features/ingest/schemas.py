"""What ingestion answers."""

import msgspec


class Ingested(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a batch of log records. All of it is on durable storage when this is answered."""

    added: int
    """Events that are new."""
    duplicates: int
    """Records that had come before; they changed nothing."""
    ignored: int
    """Records that are no mail of anybody's, such as the hook's own deliveries."""
    unreadable: int
    """Lines that could not be read; each is kept with the reason."""
