"""Whitespace around an address, for each dialect."""

import pytest

from .cases import ADDRESS, all_cases


@pytest.mark.parametrize("case", all_cases(), ids=str)
def test_blanks_around_an_address(case, reply, pending, delivered):
    """Whitespace around an address is removed, and the message is sent."""
    reply(case.request_for(f"\t{ADDRESS}\r\n "))
    assert len(delivered()) == 1
