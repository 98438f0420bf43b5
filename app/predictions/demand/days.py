"""From weeks to days: plain Python, as the API spreads the weeks of one product over days without NumPy.

All products of a shop have the same week, that of the shop: a product alone sells too little to show its own.
"""

from collections.abc import Mapping, Sequence
from math import sqrt

WEEKS_OF_PROFILE = 26


def find_profile(daily_units: Sequence[float], first_weekday: int) -> list[float]:
    """The shares of a week's units that its days sell, Monday first, from the last half year of a shop's units a day.

    `first_weekday` is that of the first day, 0 for Monday. Equal shares where nothing was sold.
    """
    sold, days = [0.0] * 7, [0] * 7
    start = max(0, len(daily_units) - 7 * WEEKS_OF_PROFILE)
    for day in range(start, len(daily_units)):
        weekday = (first_weekday + day) % 7
        sold[weekday] += daily_units[day]
        days[weekday] += 1
    means = [units / max(count, 1) for units, count in zip(sold, days, strict=True)]
    total = sum(means)
    return [mean / total for mean in means] if total > 0 and min(days) > 0 else [1 / 7] * 7


def spread_over_days(
    mean: Sequence[float],
    quantiles: Mapping[str, Sequence[float]],
    profile: Sequence[float],
    first_weekday: int,
) -> dict[str, list[float]]:
    """A product's weekly `mean` and quantiles by day: `mean`, and each of the quantiles by its name.

    A day has its share of its week's mean. Its quantiles are as far from that as the week's are from theirs, times the
    root of the share, as when days are independent; for products that sell on few days they are an approximation.
    `first_weekday` is that of the first day forecast, 0 for Monday.
    """
    shares = [profile[(first_weekday + day) % 7] for day in range(7)]
    spread = {"mean": [week * share for week in mean for share in shares]}
    for name, weekly in quantiles.items():
        spread[name] = [
            max(0.0, expected * share + (quantile - expected) * sqrt(share))
            for expected, quantile in zip(mean, weekly, strict=True)
            for share in shares
        ]
    return spread
