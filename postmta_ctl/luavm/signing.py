"""DKIM signatures (RFC 6376, RFC 8463) as ``msg:dkim_sign`` makes them.

Canonical forms come from dkimpy. The signature is made by cryptography, since dkimpy's own RSA is pure Python (tens
of milliseconds a message) and it can neither date a signature by a given clock nor let it expire.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from dkim.canonicalization import CanonicalizationPolicy  # type: ignore[import-untyped]

from postmta_ctl.luavm.errors import LuaProblem
from postmta_ctl.luavm.formats import parse_duration
from postmta_ctl.luavm.headers import HeaderField, split_message
from postmta_ctl.luavm.userdata import Userdata

_UNSUPPORTED = ("atps", "atpsh", "agent_user_identifier", "body_length", "reporting")
PrivateKey = RSAPrivateKey | Ed25519PrivateKey


class Signer(Userdata):
    """A configured signer; the key decides between RSA and Ed25519, whichever function made it."""

    lua_type = "Signer"

    def __init__(self, values: Mapping[str, Any], key: bytes) -> None:
        for option in _UNSUPPORTED:
            if values[option]:
                raise LuaProblem("bad_value", "is not implemented by KumoMTA", option)
        if not any(name.lower() == "from" for name in values["headers"]):
            raise LuaProblem("bad_value", "From must be among the signed headers", "headers")
        self.values = values
        self._key = load_private_key(key)

    def sign(self, data: bytes, now: datetime) -> HeaderField:
        """The DKIM-Signature field for the message as it is now."""
        fields, body = split_message(data)
        canonicalization = CanonicalizationPolicy.from_c_value(self._canonicalization.encode())
        body_hash = base64.b64encode(hashlib.sha256(canonicalization.canonicalize_body(body)).digest())
        names = self._signed_names([field.name for field in fields])
        unsigned = self._tags(names, body_hash.decode(), int(now.timestamp()))
        # The field itself is hashed last, with an empty b= and without a line ending (RFC 6376 section 3.7).
        pairs = [*_select(fields, names), (b"DKIM-Signature", b" " + unsigned.encode())]
        canonical = canonicalization.canonicalize_headers([(name, value + b"\r\n") for name, value in pairs])
        signature = self._sign(b"".join(name + b":" + value for name, value in canonical).removesuffix(b"\r\n"))
        return HeaderField("DKIM-Signature", f"DKIM-Signature: {unsigned}{_folded(signature)}".encode())

    @property
    def ttl(self) -> float:
        """Seconds for which KumoMTA keeps the signer and its key."""
        return parse_duration(self.values["ttl"])

    @property
    def _canonicalization(self) -> str:
        return f"{self.values['header_canonicalization']}/{self.values['body_canonicalization']}".lower()

    def _signed_names(self, present: Sequence[str]) -> list[str]:
        """The h= list. Over-signing names each header once more than it occurs, so that none can be added."""
        counted = [name.lower() for name in present]
        names = []
        for name in dict.fromkeys(str(name) for name in self.values["headers"]):
            occurrences = counted.count(name.lower())
            names += [name] * (occurrences + 1 if self.values["over_sign"] else min(occurrences, 1))
        return names

    def _tags(self, names: Sequence[str], body_hash: str, now: int) -> str:
        expiration = self.values["expiration"]
        tags = {
            "v": "1",
            "a": "rsa-sha256" if isinstance(self._key, RSAPrivateKey) else "ed25519-sha256",
            "d": self.values["domain"],
            "s": self.values["selector"],
            "c": self._canonicalization,
            "t": str(now),
            **({"x": str(now + expiration)} if expiration else {}),
            "h": ":\r\n\t".join(names),
            "bh": body_hash,
            "b": "",
        }
        return ";\r\n\t".join(f"{tag}={value}" for tag, value in tags.items())

    def _sign(self, data: bytes) -> str:
        if isinstance(self._key, RSAPrivateKey):
            signature = self._key.sign(data, PKCS1v15(), hashes.SHA256())
        else:
            signature = self._key.sign(hashlib.sha256(data).digest())
        return base64.b64encode(signature).decode()


def load_private_key(key: bytes) -> PrivateKey:
    """A PEM key, PKCS#1 or PKCS#8.

    Raises:
        LuaProblem: ``bad_key``.
    """
    try:
        loaded = serialization.load_pem_private_key(key, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise LuaProblem("bad_key", f"not a readable private key: {error}", "key") from error
    if not isinstance(loaded, RSAPrivateKey | Ed25519PrivateKey):
        raise LuaProblem("bad_key", f"neither RSA nor Ed25519 but {type(loaded).__name__}", "key")
    return loaded


def _select(fields: Sequence[HeaderField], names: Sequence[str]) -> list[tuple[bytes, bytes]]:
    """For each name the lowest field not yet taken; a name without one adds nothing (RFC 6376 section 5.4.2)."""
    left = list(fields)
    chosen = []
    for name in names:
        for field in reversed(left):
            if field.is_named(name):
                left.remove(field)
                chosen.append((field.name.encode(), field.raw_value))
                break
    return chosen


def _folded(signature: str) -> str:
    return "\r\n\t".join(signature[start : start + 72] for start in range(0, len(signature), 72))
