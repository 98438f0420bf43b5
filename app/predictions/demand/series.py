"""What is known of the products' demand: units a week."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class WeeklyUnits:
    """Units sold a week, a row for each product; the last column is the last whole week before the forecast.

    `first_week` is the column of a product's first sale ever, negative where that was before the window, and
    meaningless where nothing was ever sold. `is_sold` is whether it is on sale today. `price` weighs products against
    each other in the scorecard; NaN where it is unknown. Raises ValueError for shapes that do not fit, and for units
    that are negative or not finite.
    """

    units: NDArray[np.float32]
    first_week: NDArray[np.int32]
    is_sold: NDArray[np.bool_]
    price: NDArray[np.float64]

    def __post_init__(self) -> None:
        if self.units.ndim != 2:
            raise ValueError("Units are a table, products by weeks.")
        if any(each.shape != self.units.shape[:1] for each in (self.first_week, self.is_sold, self.price)):
            raise ValueError("First weeks, prices and whether it is sold are one for each product.")
        # Sums of squares are kept in single precision.
        if self.units.size and not (self.units.min() >= 0 and self.units.max() <= 1e15):
            raise ValueError("Units are numbers from 0 to 10^15.")

    @property
    def products(self) -> int:
        return len(self.units)

    @property
    def weeks(self) -> int:
        return int(self.units.shape[1])

    def starts(self) -> NDArray[np.int32]:
        """The week a product's history begins with, never behind its first sale; `weeks` where it was never sold."""
        if self.weeks == 0:
            return np.where(self.first_week < 0, self.first_week, 0).astype(np.int32)
        sold = self.units > 0
        seen = np.where(sold.any(axis=1), sold.argmax(axis=1), self.weeks)
        known = (seen < self.weeks) | (self.first_week < 0)
        return np.where(known, np.minimum(self.first_week, seen), self.weeks).astype(np.int32)
