"""Addresses as policies get them: of the envelope, and of header fields."""

from __future__ import annotations

from email.headerregistry import Address

from postmta_ctl.luavm.errors import LuaProblem
from postmta_ctl.luavm.headers import parse_addresses
from postmta_ctl.luavm.userdata import Userdata


class EnvelopeAddress(Userdata):
    """``user@domain``, or empty for the null sender."""

    lua_type = "EnvelopeAddress"

    def __init__(self, email: str) -> None:
        self.email = email
        self.user, _, self.domain = email.rpartition("@") if "@" in email else (email, "", "")

    @classmethod
    def parse(cls, text: str) -> EnvelopeAddress:
        """Check and split an address.

        Raises:
            LuaProblem: ``bad_value``.
        """
        address = cls(text)
        if text and (not address.user or not address.domain or any(c in text for c in "\r\n\0 <>")):
            raise LuaProblem("bad_value", f"{text!r} is not an envelope address")
        return address

    def __str__(self) -> str:
        return self.email

    def __eq__(self, other: object) -> bool:
        return isinstance(other, EnvelopeAddress) and other.email == self.email

    def __hash__(self) -> int:
        return hash(self.email)

    def field_user(self) -> str:
        """The local part."""
        return self.user

    def field_domain(self) -> str:
        """The domain."""
        return self.domain

    def field_email(self) -> str:
        """The whole address."""
        return self.email


class HeaderAddress(Userdata):
    """One mailbox of a header."""

    lua_type = "HeaderAddress"

    def __init__(self, address: Address) -> None:
        self._address = address

    def __str__(self) -> str:
        return str(self._address)

    def field_user(self) -> str:
        """The local part."""
        return self._address.username

    def field_domain(self) -> str:
        """The domain."""
        return self._address.domain

    def field_email(self) -> str:
        """``user@domain``."""
        return self._address.addr_spec

    def field_name(self) -> str | None:
        """The display name."""
        return self._address.display_name or None


class HeaderAddressList(Userdata):
    """The mailboxes of a header; its own fields are those of the only mailbox, and an error if there are several."""

    lua_type = "HeaderAddressList"

    def __init__(self, value: str) -> None:
        self._value = value
        self._addresses = [HeaderAddress(address) for address in parse_addresses(value)]

    def __str__(self) -> str:
        return self._value

    def field_list(self) -> list[HeaderAddress]:
        """Each mailbox."""
        return self._addresses

    def field_user(self) -> str:
        """The local part."""
        return self._only.field_user()

    def field_domain(self) -> str:
        """The domain."""
        return self._only.field_domain()

    def field_email(self) -> str:
        """``user@domain``."""
        return self._only.field_email()

    def field_name(self) -> str | None:
        """The display name."""
        return self._only.field_name()

    @property
    def _only(self) -> HeaderAddress:
        if len(self._addresses) != 1:
            raise LuaProblem("bad_value", f"expected one address, the header holds {len(self._addresses)}")
        return self._addresses[0]
