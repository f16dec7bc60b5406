"""Return how well two lists of numbers can be told apart: the area under the ROC curve."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from statistics import fmean, variance

#: The normal distribution's quantile that leaves 5 % outside, both sides together.
Z = 1.959964


@dataclass(frozen=True, slots=True)
class AUC:
    """An estimate with its 95 % confidence interval; 0.5 is a coin, 0 and 1 are certainty."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:.3f} ({self.low:.3f}-{self.high:.3f})"


def auc(reference: Sequence[float], other: Sequence[float]) -> AUC:
    """The chance that one of ``other`` is larger than one of ``reference``; ties count half.

    It is Mann and Whitney's U over the number of pairs. The interval is DeLong's (1988), by the
    midranks of Sun and Xu (2014): it assumes no distribution. Each list has two numbers or more.
    """
    among_all = _midranks([*other, *reference])
    mine, theirs = among_all[: len(other)], among_all[len(other) :]
    # For each number, the part of the opposite list that it beats.
    wins = [(rank - own) / len(reference) for rank, own in zip(mine, _midranks(other), strict=True)]
    losses = [
        1 - (rank - own) / len(other)
        for rank, own in zip(theirs, _midranks(reference), strict=True)
    ]
    value = fmean(wins)
    error = math.sqrt(variance(wins) / len(other) + variance(losses) / len(reference))
    return AUC(value, max(0.0, value - Z * error), min(1.0, value + Z * error))


def _midranks(numbers: Sequence[float]) -> list[float]:
    """Return the rank of each number from 1 on; equal ones share their mean."""
    order = sorted(range(len(numbers)), key=numbers.__getitem__)
    ranks = [0.0] * len(numbers)
    before = 0
    for _, group in groupby(order, key=numbers.__getitem__):
        equals = list(group)
        for index in equals:
            ranks[index] = before + (len(equals) + 1) / 2
        before += len(equals)
    return ranks
