"""White space around an address, in each way that a dialect has to name one."""

import pytest

from .cases import ADDRESS, all_cases


@pytest.mark.parametrize("case", all_cases(), ids=str)
def test_blanks_around_an_address(case, reply, pending, delivered):
    """It is taken off at each end, and the message goes out."""
    reply(case.request_for(f"\t{ADDRESS}\r\n "))
    assert len(delivered()) == 1
