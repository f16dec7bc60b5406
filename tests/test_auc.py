"""The benchmark's measure: worked by hand, and at its ends."""

import pytest

from tests.benchmarks.auc import auc


def test_worked_by_hand():
    """Of 16 pairs 13 are won and 2 tied; both lists' wins have the variance 1/32."""
    found = auc([1, 2, 3, 4], [3, 4, 5, 6])
    assert found.value == 0.875
    assert found.low == pytest.approx(0.875 - 1.959964 / 8)
    assert found.high == 1.0


def test_order_does_not_matter():
    """The lists are samples, not pairs."""
    assert auc([4, 1, 3, 2], [6, 3, 5, 4]) == auc([1, 2, 3, 4], [3, 4, 5, 6])


@pytest.mark.parametrize(
    ("reference", "other", "value"),
    [([1, 2], [3, 4], 1.0), ([3, 4], [1, 2], 0.0), ([7, 7, 7], [7, 7], 0.5), ([1, 3], [2, 2], 0.5)],
)
def test_ends(reference, other, value):
    """1 is always larger, 0 is always smaller, and what cannot be told apart is half."""
    assert auc(reference, other).value == value
