"""Cookies of the console, and the token that its forms carry.

The log-in's cookie holds a refresh token, which is not exchanged while pages are read: parts of a page are asked for
side by side, and an exchange would make all but one of them a theft. It ends with its login, and after
``console_session_seconds``.

A form's token is a MAC over the cookie that comes with it (the signed double-submit pattern), so another site can send
neither what it does not know nor what belongs to another browser.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from typing import Any
from urllib.parse import quote, unquote

from litestar.connection import ASGIConnection
from litestar.datastructures import Cookie

from postmta_ctl.core import tokens
from postmta_ctl.system import System

LOGIN, FORM, NOTICE = "postmta_console", "postmta_form", "postmta_notice"
PATH = "/console"
_NOTICE_SECONDS = 60
_OWN_PAGE = re.compile(r"/console(?:/[A-Za-z0-9._~@:+%/-]*)?(?:\?[^\s#\\]*)?")
_SEED = re.compile(r"[0-9a-f]{64}")

Connection = ASGIConnection[Any, Any, Any, Any]


def cookie(system: System, name: str, value: str, seconds: int | None = None) -> Cookie:
    """A cookie that no script can read and no other site sends with a form."""
    secure = system.settings.url.startswith("https://")
    return Cookie(key=name, value=value, path=PATH, httponly=True, samesite="lax", secure=secure, max_age=seconds)


def ended(name: str) -> Cookie:
    """The end of a cookie."""
    return Cookie(key=name, value="", path=PATH, httponly=True, samesite="lax", max_age=0)


def notice_cookie(system: System, words: str) -> Cookie:
    """What the next page says once, such as what was just done."""
    return cookie(system, NOTICE, quote(words), _NOTICE_SECONDS)


def notice(connection: Connection) -> str:
    """The sentence that the last page left for this one."""
    return unquote(connection.cookies.get(NOTICE, ""))


def form_seed(connection: Connection) -> str:
    """What the form token of this browser is made of: its log-in, else a random cookie; empty when it has neither."""
    given = (connection.cookies.get(name, "") for name in (LOGIN, FORM))
    return next((value for value in given if _SEED.fullmatch(value)), "")


def new_seed() -> str:
    """A random value for the cookie of a browser that is not logged in."""
    return secrets.token_hex(32)


def form_token(system: System, seed: str) -> str:
    """What the forms of a page carry."""
    return hmac.new(system.keys.jwt_secret.encode(), f"console form {seed}".encode(), hashlib.sha256).hexdigest()


def is_form_token(system: System, connection: Connection, given: str) -> bool:
    """Whether a form came from a page that this browser was given."""
    seed = form_seed(connection)
    return bool(seed) and tokens.same(given, form_token(system, seed))


def own_page(wanted: str) -> str:
    """Where to go after the log-in: the page that was asked for, if it is one of ours."""
    return wanted if _OWN_PAGE.fullmatch(wanted) and not wanted.startswith(f"{PATH}/log") else PATH
