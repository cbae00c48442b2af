"""The statistics of a ratio study: how far estimates are from sale prices, and for whom.

A ratio is an estimate divided by the price at which the property was sold. The definitions and the acceptable ranges
are those of the International Association of Assessing Officers: Standard on Ratio Studies, 2013, section 9.
"""

from __future__ import annotations

import math
from statistics import fmean, median

# Residential property in areas of mixed age. Source: the Standard, tables 1-3 and 2-3.
RANGES = {"cod": (5.0, 15.0), "prd": (0.98, 1.03), "prb": (-0.05, 0.05)}


def cod(estimates: list[float], prices: list[float]) -> float:
    """Coefficient of dispersion, in percent: how far the ratios are from their median, on average."""
    ratios = divided(estimates, prices)
    middle = median(ratios)
    return 100 * fmean(abs(each - middle) for each in ratios) / middle


def prd(estimates: list[float], prices: list[float]) -> float:
    """Price-related differential: above 1 where dear property is valued too low beside cheap property."""
    return fmean(divided(estimates, prices)) / (sum(estimates) / sum(prices))


def prb(estimates: list[float], prices: list[float]) -> float:
    """Price-related bias: by which share the ratio changes when the value doubles."""
    ratios = divided(estimates, prices)
    middle = median(ratios)
    values = [math.log2((each / middle + price) / 2) for each, price in zip(estimates, prices, strict=True)]
    mean = fmean(values)
    deviations = [each / middle - 1 for each in ratios]
    return sum((v - mean) * d for v, d in zip(values, deviations, strict=True)) / sum((v - mean) ** 2 for v in values)


def divided(estimates: list[float], prices: list[float]) -> list[float]:
    """Give the ratios."""
    return [estimate / price for estimate, price in zip(estimates, prices, strict=True)]


def within(name: str, value: float) -> bool:
    """Tell whether a statistic is in its range."""
    least, most = RANGES[name]
    return least <= value <= most
