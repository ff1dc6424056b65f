"""``kumo.digest`` and ``kumo.encode``: digests, and bytes as text."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import zlib
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from postmta_ctl.luavm.convert import to_bytes, type_name
from postmta_ctl.luavm.errors import LuaProblem
from postmta_ctl.luavm.keysource import load_key
from postmta_ctl.luavm.userdata import Userdata

if TYPE_CHECKING:
    from postmta_ctl.luavm.vm import Vm

_HASHES = ("sha1", "sha224", "sha256", "sha384", "sha512", "sha512_256", "sha3_256", "sha3_384", "sha3_512")
_HMACS = ("sha1", "sha224", "sha256", "sha384", "sha512")
Codec = tuple[Callable[[bytes], bytes], Callable[[bytes], bytes]]
_CODECS: dict[str, Codec] = {
    "hex": (binascii.hexlify, binascii.unhexlify),
    "base32": (base64.b32encode, base64.b32decode),
    "base32hex": (base64.b32hexencode, base64.b32hexdecode),
    "base64": (base64.b64encode, lambda text: base64.b64decode(text, validate=True)),
    "base64url": (base64.urlsafe_b64encode, lambda text: base64.b64decode(text, altchars=b"-_", validate=True)),
}
_PADDED_LENGTH = {"base32": 8, "base32hex": 8, "base64": 4, "base64url": 4}
"""Characters to which padding fills up; an encoding listed here also exists without padding."""


class BinaryResult(Userdata):
    """Bytes, to be read in the encoding one likes."""

    lua_type = "BinaryResult"

    def __init__(self, value: bytes) -> None:
        self.bytes = value

    def __str__(self) -> str:
        return self.bytes.hex()

    def _field(self, name: str) -> object:
        return self.bytes if name == "bytes" else encode(name, self.bytes)


def encode(encoding: str, data: bytes) -> str:
    """Text for bytes; ``…_nopad`` leaves the padding out."""
    name = encoding.removesuffix("_nopad")
    text = _CODECS[name][0](data).decode("ascii")
    return text.rstrip("=") if name != encoding else text


def decode(encoding: str, text: str) -> bytes:
    """The bytes of a text.

    Raises:
        LuaProblem: ``bad_value``.
    """
    name = encoding.removesuffix("_nopad")
    if name != encoding:
        text += "=" * (-len(text) % _PADDED_LENGTH[name])
    try:
        return _CODECS[name][1](text.encode("ascii"))
    except (ValueError, UnicodeEncodeError) as error:
        raise LuaProblem("bad_value", f"not {encoding}: {error}") from error


def _digest(name: str) -> Callable[..., BinaryResult]:
    def digest(_vm: Vm, *parts: object) -> BinaryResult:
        state = hashlib.new(name, usedforsecurity=False)
        for part in parts:
            state.update(_bytes(part))
        return BinaryResult(state.digest())

    return digest


def _hmac(name: str) -> Callable[..., BinaryResult]:
    return lambda vm, key, message: BinaryResult(hmac.digest(load_key(vm, key), to_bytes(message), name))


def crc32(_vm: Vm, *parts: object) -> BinaryResult:
    """The checksum, most significant byte first."""
    return BinaryResult(zlib.crc32(b"".join(map(_bytes, parts))).to_bytes(4, "big"))


def _bytes(value: object) -> bytes:
    if not isinstance(value, str | bytes):
        raise LuaProblem("wrong_type", f"expected a string, not a {type_name(value)}")
    return to_bytes(value)


def charset_decode(_vm: Vm, charset: str, data: str) -> str:
    """Text from bytes in a charset."""
    try:
        return to_bytes(data).decode(charset)
    except (LookupError, UnicodeError) as error:
        raise LuaProblem("bad_value", str(error)) from error


def charset_encode(_vm: Vm, charset: str, text: str, ignore_errors: bool | None) -> bytes:
    """Text as bytes in a charset."""
    try:
        return text.encode(charset, "replace" if ignore_errors else "strict")
    except (LookupError, UnicodeError) as error:
        raise LuaProblem("bad_value", str(error)) from error


def _codec_functions() -> dict[str, Callable[..., Any]]:
    names = [*_CODECS, *(f"{name}_nopad" for name in _PADDED_LENGTH)]
    functions: dict[str, Callable[..., Any]] = {}
    for name in names:
        functions[f"kumo.encode.{name}_encode"] = lambda _vm, data, name=name: encode(name, to_bytes(data))
        functions[f"kumo.encode.{name}_decode"] = lambda _vm, text, name=name: decode(name, text)
    return functions


FUNCTIONS: dict[str, Callable[..., object]] = {
    **{f"kumo.digest.{name}": _digest(name) for name in _HASHES},
    **{f"kumo.digest.hmac_{name}": _hmac(name) for name in _HMACS},
    "kumo.digest.crc32": crc32,
    **_codec_functions(),
    "kumo.encode.charset_decode": charset_decode,
    "kumo.encode.charset_encode": charset_encode,
}
