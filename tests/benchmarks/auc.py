"""The area under the ROC curve: how well two lists of numbers can be distinguished."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from statistics import fmean, variance

#: The normal distribution's quantile for a two-sided 95 % interval.
Z = 1.959964


@dataclass(frozen=True, slots=True)
class AUC:
    """An estimate with its 95 % confidence interval; 0.5 is chance, 0 and 1 are certainty."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:.3f} ({self.low:.3f}-{self.high:.3f})"


def auc(reference: Sequence[float], other: Sequence[float]) -> AUC:
    """Estimate the probability that one of ``other`` exceeds one of ``reference``; ties are half.

    This is the Mann-Whitney U divided by the number of pairs. The interval is DeLong's (1988), with
    the midranks of Sun and Xu (2014); it assumes no distribution. Each list needs two numbers.
    """
    among_all = _midranks([*other, *reference])
    firsts, lasts = among_all[: len(other)], among_all[len(other) :]
    # For each number, the fraction of the other list that it exceeds.
    wins = [
        (rank - own) / len(reference) for rank, own in zip(firsts, _midranks(other), strict=True)
    ]
    losses = [
        1 - (rank - own) / len(other) for rank, own in zip(lasts, _midranks(reference), strict=True)
    ]
    value = fmean(wins)
    error = math.sqrt(variance(wins) / len(other) + variance(losses) / len(reference))
    return AUC(value, max(0.0, value - Z * error), min(1.0, value + Z * error))


def _midranks(numbers: Sequence[float]) -> list[float]:
    """Return the rank of each number, starting with 1; equal numbers have their mean rank."""
    order = sorted(range(len(numbers)), key=numbers.__getitem__)
    ranks = [0.0] * len(numbers)
    before = 0
    for _, group in groupby(order, key=numbers.__getitem__):
        equals = list(group)
        for index in equals:
            ranks[index] = before + (len(equals) + 1) / 2
        before += len(equals)
    return ranks
