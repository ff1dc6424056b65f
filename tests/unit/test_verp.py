"""Envelope senders that name a recipient, and back."""

from __future__ import annotations

import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postmta_ctl.core import verp

RID = "0193f0a2-7c11-7a3b-8c4d-5e6f708192a3"


def test_the_address_of_an_id_has_26_characters_and_no_capitals() -> None:
    assert verp.local_part(RID) == "b+agj7bit4cf5dxdcnlzxxbamsum"


@given(st.uuids(), st.booleans())
def test_every_id_comes_back_whatever_the_case(value: uuid.UUID, upper: bool) -> None:
    address = f"{verp.local_part(str(value))}@bounce.example"
    assert verp.read(address.upper() if upper else address) == str(value)


def test_the_long_form_of_before_is_still_read() -> None:
    assert verp.read(f"b+{RID}@bounce.example") == RID
    assert verp.read(f"B+{RID.upper()}@BOUNCE.EXAMPLE") == RID


def test_an_id_that_is_no_uuid_stands_for_itself() -> None:
    assert verp.local_part("r-1") == "b+r-1"
    assert verp.read("b+r-1@bounce.example") == "r-1"


@pytest.mark.parametrize(
    "address", ["", "ann@acme.example", "b@bounce.example", "b+@x", "b+r_1@x", "xb+r-1@x", "b+r-1"]
)
def test_other_addresses_name_nobody(address: str) -> None:
    assert verp.read(address) is None


@pytest.mark.parametrize("text", ["b+" + "1" * 26, "b+" + "a" * 25 + "8"])
def test_26_characters_that_are_no_base32_are_an_id_as_they_stand(text: str) -> None:
    assert verp.read(f"{text}@x") == text.removeprefix("b+")
