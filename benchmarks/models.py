"""The rows that measure models against libraries that are made for them, on consumers and shops that are drawn."""

import statistics
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from app.predictions.clv.bgnbd import BgNbd
from app.predictions.clv.histories import Histories
from app.predictions.clv.simulate import simulate
from app.predictions.demand.simulate import simulate_shop
from benchmarks.contenders import Contender, Unavailable
from benchmarks.report import Result

OUR_FIT = Contender("fit_ours.py")
OTHER_FITS = (Contender("fit_lifetimes.py", "lifetimes==0.11.3"), Contender("fit_clvkit.py", "clvkit==0.2.1"))
OUR_FORECAST = Contender("forecast_ours.py")
STATSFORECAST = Contender("forecast_statsforecast.py", "statsforecast==2.1.1")

TURNS = 3
TIMES_A_TURN = 2
# CDNOW's: the estimates of Fader, Hardie & Lee (2005), and of Gamma-Gamma on the same consumers.
BUYERS, ARRIVALS, WEEKS = 2_357, 12.0, 39.0
PARAMETERS, SPEND = (0.243, 4.414, 0.793, 2.426), (6.25, 3.74, 15.44)
SAME_LIKELIHOOD = 1e-4

FORECASTS = 3
PRODUCTS, AHEAD = 5_000, 4
ORIGINS = (104, 100, 96, 92)
LEAST_WEEKS = 52
SLOW_PRODUCTS = 500
SAME_ERROR = 0.005

Array = NDArray[np.floating]


@dataclass(frozen=True)
class Fitted:
    """The median of all rounds; the log-likelihood is that of the parameters by our own function."""

    seconds: float
    log_likelihood: float


def draw_histories() -> Histories:
    """A log like CDNOW's, with days as its smallest unit."""
    log = simulate("bg_nbd", PARAMETERS, SPEND, buyers=BUYERS, arrivals=ARRIVALS, weeks=WEEKS, seed=1)
    consumers, _ = log.by_day().consumers(WEEKS)
    return Histories(consumers.frequency, consumers.recency, consumers.age, np.ones(consumers.size))


def fit_each(contenders: Iterable[Contender], histories: Histories) -> tuple[dict[str, Fitted], dict[str, str]]:
    """In turns, the first time of each turn not counted; and why any could not take part."""
    fitting, missing = list(contenders), dict[str, str]()
    seconds: dict[str, list[float]] = {}
    parameters: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory(prefix="ecompredictor-bench-") as folder:
        file = Path(folder) / "histories.npy"
        np.save(file, np.column_stack([histories.frequency, histories.recency, histories.age]))
        for _ in range(TURNS):
            for contender in [each for each in fitting if each.name not in missing]:
                try:
                    found = contender.run(file, str(1 + TIMES_A_TURN))
                except Unavailable as error:
                    missing[contender.name] = str(error)
                    continue
                seconds.setdefault(contender.name, []).extend(found["seconds"][1:])
                parameters[contender.name] = found["parameters"]
    return {
        name: Fitted(statistics.median(took), _sum_likelihood(parameters[name], histories))
        for name, took in seconds.items()
    }, missing


def _sum_likelihood(parameters: list[float], histories: Histories) -> float:
    values, _ = BgNbd().log_likelihood(np.array(parameters), histories)
    return float(values.sum())


def bgnbd() -> Iterable[Result]:
    """How many times as long the faster of the others takes, and whether all found the same."""
    fitted, missing = fit_each((OUR_FIT, *OTHER_FITS), draw_histories())
    ours = fitted.pop(OUR_FIT.name)
    limit = min((each.seconds for each in fitted.values()), default=0.0)
    notes = [f"{name} {each.seconds * 1000:,.0f} ms" for name, each in fitted.items()]
    notes += [f"{name} could not be installed: {why}" for name, why in missing.items()]
    ratio = 0.0 if missing else limit / ours.seconds
    yield Result("bgnbd", ours.seconds * 1000, limit * 1000, ratio, "ms", 5, note=", ".join(notes))
    if fitted:
        furthest = max(abs(ours.log_likelihood - each.log_likelihood) for each in fitted.values())
        most = SAME_LIKELIHOOD * abs(ours.log_likelihood)
        note = f"log-likelihood {ours.log_likelihood:,.3f}, theirs differ by {furthest:.6f}"
        yield Result("bgnbd_likelihood", furthest, most, furthest / most, "units", 1, "at most", note)


@dataclass(frozen=True)
class Demand:
    """`known` (origins, products, weeks) is NaN before a first sale and after the origin; `later` is what came then."""

    known: NDArray[np.float32]
    later: NDArray[np.float64]  # (origins, products)

    def take(self, products: int) -> "Demand":
        return Demand(self.known[:, :products], self.later[:, :products])

    def miss(self, forecast: Array) -> float:
        """WAPE of the four weeks' sums, of all origins together."""
        return float(np.abs(forecast.sum(axis=2) - self.later).sum() / self.later.sum())


def draw_demand(products: int = PRODUCTS) -> Demand:
    """Of products that every library can forecast: known for a year, and sold in two weeks or more."""
    shop = simulate_shop(2 * products, max(ORIGINS) + AHEAD, seed=1)
    units = shop.weekly().units
    first = shop.weekly(min(ORIGINS))
    rows = (first.first_week <= min(ORIGINS) - LEAST_WEEKS) & ((first.units > 0).sum(axis=1) >= 2)
    units, starts = units[rows][:products], first.first_week[rows][:products]
    week = np.arange(max(ORIGINS))
    known = [
        np.where((week >= starts[:, None]) & (week < origin), units[:, : len(week)], np.float32(np.nan))
        for origin in ORIGINS
    ]
    later = [units[:, origin : origin + AHEAD].sum(axis=1, dtype=np.float64) for origin in ORIGINS]
    return Demand(np.array(known), np.array(later))


@dataclass(frozen=True)
class Forecast:
    seconds: Mapping[str, float]
    """The medians, by what the script calls them."""
    units: Array
    """(origins, products, 4 weeks)."""


def forecast_each(contender: Contender, demand: Demand, *more: str, rounds: int) -> Forecast:
    """The first round of several is not counted. Raises Unavailable."""
    with tempfile.TemporaryDirectory(prefix="ecompredictor-bench-") as folder:
        known, forecast = Path(folder) / "known.npy", Path(folder) / "forecast.npy"
        np.save(known, demand.known)
        found = contender.run(known, str(AHEAD), forecast, str(rounds), *more)
        medians = {name: statistics.median(seconds[1:] or seconds) for name, seconds in found.items()}
        return Forecast(medians, np.load(forecast))


def demand() -> Iterable[Result]:
    """Levels alone against levels alone, a whole run's forecast beside it, and how far each misses."""
    drawn = draw_demand()
    sample = drawn.take(SLOW_PRODUCTS)
    ours = forecast_each(OUR_FORECAST, drawn, rounds=1 + FORECASTS)
    levels, runs = (ours.seconds[name] * 1000 for name in ("seconds", "seconds_of_runs"))
    try:
        imapa = forecast_each(STATSFORECAST, drawn, "IMAPA", rounds=1 + FORECASTS)
        ets = forecast_each(STATSFORECAST, sample, "AutoETS", rounds=1)
    except Unavailable as error:
        yield Result("demand", levels, 0, 0, "ms", 20, note=f"statsforecast could not be installed: {error}")
        return
    limit = imapa.seconds["seconds"] * 1000
    note = f"{PRODUCTS:,} series at {len(ORIGINS)} origins; AutoETS {ets.seconds['seconds']:.1f} s for {SLOW_PRODUCTS}"
    yield Result("demand", levels, limit, limit / levels, "ms", 20, note=note)
    note = "ours with backtest and intervals of 13 weeks"
    yield Result("demand_runs", runs, limit, limit / runs, "ms", note=note)
    all_missed = drawn.miss(ours.units), drawn.miss(imapa.units)
    some_missed = sample.miss(ours.units[:, :SLOW_PRODUCTS]), sample.miss(ets.units)
    worse_by = max(here - there for here, there in (all_missed, some_missed))
    told = "WAPE {:.4f}, IMAPA {:.4f}; of {} products {:.4f}, AutoETS {:.4f}"
    note = told.format(*all_missed, SLOW_PRODUCTS, *some_missed)
    yield Result("demand_wape", 100 * worse_by, 100 * SAME_ERROR, worse_by / SAME_ERROR, "points", 1, "at most", note)


ROWS = (bgnbd, demand)
