"""``require 'sqlite'``."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from postmta_ctl.luavm.convert import Plain
from postmta_ctl.luavm.errors import LuaProblem
from postmta_ctl.luavm.userdata import Userdata

if TYPE_CHECKING:
    from postmta_ctl.luavm.vm import Vm


class SqliteConn(Userdata):
    """An open database."""

    lua_type = "SqliteConn"

    def __init__(self, path: str, busy_timeout: float) -> None:
        try:
            self._connection = sqlite3.connect(path, timeout=busy_timeout, isolation_level=None)
        except sqlite3.Error as error:
            raise LuaProblem("sqlite_error", f"{path}: {error}") from error

    def lua_execute(self, vm: Vm, sql: str, *values: object) -> Plain:
        """Rows affected; a flat list for one column; else a list of tables. Values are positional or one table."""
        parameters: Any = [vm.to_plain(value) for value in values]
        if len(parameters) == 1 and isinstance(parameters[0], dict):
            parameters = parameters[0]
        try:
            cursor = self._connection.execute(sql, parameters)
            rows = cursor.fetchall()
        except sqlite3.Error as error:
            raise LuaProblem("sqlite_error", str(error)) from error
        if cursor.description is None:
            return cursor.rowcount
        names = [column[0] for column in cursor.description]
        if len(names) == 1:
            return [row[0] for row in rows]
        return [dict(zip(names, row, strict=True)) for row in rows]

    def lua_close(self, *_vm: Vm) -> None:
        """Close it."""
        self._connection.close()


FUNCTIONS: dict[str, Callable[..., object]] = {
    "sqlite.open": lambda vm, path, timeout: SqliteConn(
        vm.node.database(path), (500 if timeout is None else timeout) / 1000
    ),
}
