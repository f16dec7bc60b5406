"""The statistic of the timing benchmark."""

import pytest

from tests.benchmarks.auc import auc


def test_calculated_by_hand():
    """The value and interval match a calculation by hand (16 pairs: 13 wins, 2 ties)."""
    found = auc([1, 2, 3, 4], [3, 4, 5, 6])
    assert found.value == 0.875
    assert found.low == pytest.approx(0.875 - 1.959964 / 8)
    assert found.high == 1.0


def test_order_does_not_matter():
    """The order within the samples is irrelevant."""
    assert auc([4, 1, 3, 2], [6, 3, 5, 4]) == auc([1, 2, 3, 4], [3, 4, 5, 6])


@pytest.mark.parametrize(
    ("reference", "other", "value"),
    [([1, 2], [3, 4], 1.0), ([3, 4], [1, 2], 0.0), ([7, 7, 7], [7, 7], 0.5), ([1, 3], [2, 2], 0.5)],
)
def test_ends(reference, other, value):
    """The value is 1 if all are larger, 0 if all are smaller, and 0.5 if there is no difference."""
    assert auc(reference, other).value == value
