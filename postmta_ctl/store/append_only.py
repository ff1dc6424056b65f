"""Tables whose rows the database itself lets nobody change or delete, whatever program asks it.

There is no retention: the rows are kept. Who must delete by law does it as the owner of the database, by hand, so that
it is his decision and leaves traces in his own tools: he drops the trigger ``<table>_no_delete``, deletes, and makes
it again by the statement below.
"""

from __future__ import annotations

from collections.abc import Iterator

TABLES = ("audit_log", "credit_entries", "invoices")
_FUNCTION = """
CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% is append-only', TG_TABLE_NAME USING ERRCODE = 'restrict_violation';
END $$
"""


def guards(dialect: str) -> Iterator[str]:
    """The statements that make the triggers, for ``sqlite`` or ``postgresql``."""
    if dialect == "sqlite":
        for table in TABLES:
            for event in ("UPDATE", "DELETE"):
                yield _sqlite_trigger(table, event)
        return
    yield _FUNCTION
    for table in TABLES:
        for event in ("UPDATE", "DELETE", "TRUNCATE"):
            name = f"{table}_no_{event.lower()}"
            yield (
                f"CREATE TRIGGER {name} BEFORE {event} ON {table} FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()"
            )


def _sqlite_trigger(table: str, event: str) -> str:
    return (
        f"CREATE TRIGGER {table}_no_{event.lower()} BEFORE {event} ON {table} "
        f"BEGIN SELECT RAISE(ABORT, '{table} is append-only'); END"
    )
