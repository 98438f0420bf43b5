"""What a model of purchase histories offers, whichever it is."""

from abc import ABC, abstractmethod
from typing import ClassVar

from app.predictions.clv.counts import CountLaw
from app.predictions.clv.histories import Histories, Vector


class Family(ABC):
    """A model of how often consumers buy and when they stop.

    `parameters` are natural (not logarithms), in the order of `names`; those in `rates` are weeks and scale with the
    unit of time, the others have none.
    """

    key: ClassVar[str]
    title: ClassVar[str]
    names: ClassVar[tuple[str, ...]]
    scales: ClassVar[tuple[str, ...]]
    churn: ClassVar[bool] = True
    """Whether consumers can stop buying for good in this model."""

    @abstractmethod
    def starts(self, rate: float) -> list[tuple[float, ...]]:
        """Where to begin maximising, for repeat purchases per unit of time."""

    @abstractmethod
    def log_likelihood(self, parameters: Vector, histories: Histories) -> tuple[Vector, list[Vector]]:
        """Of each history (n,), and its derivatives by the logarithm of each parameter, each (n,)."""

    @abstractmethod
    def alive(self, parameters: Vector, histories: Histories) -> Vector:
        """The probability that the consumer has not stopped by the as-of date."""

    @abstractmethod
    def law(self, parameters: Vector, histories: Histories, horizon: float) -> CountLaw:
        """The distribution of the purchases within `horizon` of a consumer who has not stopped."""

    @abstractmethod
    def expected(self, parameters: Vector, histories: Histories, horizon: float) -> Vector:
        """The mean of that distribution, in closed form."""

    @abstractmethod
    def returning(self, parameters: Vector, histories: Histories, horizon: float) -> Vector:
        """The probability of at least one purchase within `horizon` of a consumer who has not stopped."""

    @abstractmethod
    def waiting(self, parameters: Vector, histories: Histories, horizon: float, levels: tuple[float, ...]) -> Vector:
        """(n, levels): quantiles of the time to the next purchase, given that it comes within `horizon`."""
