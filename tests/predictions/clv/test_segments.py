"""RFM groups and tiers."""

import json
from collections import Counter
from dataclasses import replace
from itertools import pairwise, product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.predictions.clv.segments import (
    GROUPS,
    RfmBreaks,
    rfm_breaks,
    rfm_group,
    rfm_groups,
    spend_cuts,
    spend_tiers,
    weighted_quantiles,
)
from tests.predictions.clv.conftest import buyers_of, draw


def test_every_cell_has_one_group_and_every_group_a_cell():
    cells = Counter(rfm_group(*scores) for scores in product(range(1, 6), repeat=3))
    assert set(cells) == set(GROUPS)
    assert sum(cells.values()) == 125


@pytest.mark.parametrize(
    ("scores", "group"),
    [
        ((5, 5, 5), "CHAMPIONS"), ((5, 1, 1), "NEW"), ((5, 3, 3), "ACTIVE"), ((4, 5, 4), "LOYAL"),
        ((4, 1, 2), "PROMISING"), ((3, 3, 3), "NEEDS_ATTENTION"), ((2, 5, 5), "PREVIOUSLY_LOYAL"),
        ((1, 4, 4), "AT_RISK"), ((2, 1, 2), "ALMOST_LOST"), ((1, 1, 1), "DORMANT"),
    ],
)  # fmt: skip
def test_groups_as_shopify_words_them(scores: tuple[int, int, int], group: str):
    assert rfm_group(*scores) == group


def test_no_better_score_is_a_worse_group():
    """A higher FM never leads from a recent group's champions down to its newcomers."""
    for recency in range(1, 6):
        by_mean = [rfm_group(recency, f, f) for f in range(1, 6)]
        assert len(by_mean) - len(set(by_mean)) == sum(a == b for a, b in pairwise(by_mean))


def test_fifths_of_a_shop():
    consumers, _ = draw("pareto_nbd").consumers(78.0)
    breaks = rfm_breaks(consumers)
    recency, frequency, monetary = breaks.scores(consumers)
    assert np.bincount(monetary, minlength=6)[1:] / consumers.size == pytest.approx([0.2] * 5, abs=0.01)
    assert np.corrcoef(recency, consumers.age - consumers.recency)[0, 1] < -0.9
    assert set(frequency[consumers.frequency == 0]) == {1}
    groups = rfm_groups(consumers, breaks)
    assert set(groups) <= set(GROUPS)
    again = RfmBreaks.from_json(json.loads(json.dumps(breaks.to_json())))
    assert again == breaks
    assert (rfm_groups(consumers.take(np.array([7])), again) == groups[7]).all()


def test_weights_are_copies():
    consumers = buyers_of(np.array([0.0, 1.0, 2.0, 3.0]))
    weight = np.array([5.0, 1.0, 3.0, 1.0])
    copies = consumers.take(np.repeat(np.arange(4), weight.astype(int)))
    assert rfm_breaks(consumers, weight) == rfm_breaks(copies)


def test_everybody_alike_has_one_group():
    alike = buyers_of(np.ones(50))
    assert len(set(rfm_groups(alike, rfm_breaks(alike)))) == 1


@given(st.lists(st.floats(0, 1e9), min_size=1), st.floats(0.01, 0.99))
def test_a_quantile_is_a_value_that_enough_do_not_exceed(values: list[float], level: float):
    (found,) = weighted_quantiles(np.array(values), np.ones(len(values)), (level,))
    assert found in values
    assert sum(value <= found for value in values) >= level * len(values) - 1e-6
    assert sum(value < found for value in values) <= level * len(values) + 1e-6


class TestTiers:
    def test_a_fifth_two_fifths_and_the_rest(self):
        spend = np.arange(100.0)
        tiers = spend_tiers(spend, spend_cuts(spend))
        assert Counter(tiers.tolist()) == {"HIGH": 20, "MEDIUM": 40, "LOW": 40}
        assert tiers[-1] == "HIGH"

    def test_equal_spends_are_of_one_tier(self):
        spend = np.r_[np.zeros(90), np.full(30, 5.0)]
        assert Counter(spend_tiers(spend, spend_cuts(spend)).tolist()) == {"MEDIUM": 30, "LOW": 90}

    def test_what_is_not_predicted_has_none(self):
        spend = np.array([np.nan, np.nan])
        assert spend_tiers(spend, spend_cuts(spend)).tolist() == ["", ""]


def test_scores_are_of_equal_values_equal():
    consumers = buyers_of(np.array([0.0, 0.0, 4.0, 4.0, 4.0]))
    _, frequency, _ = rfm_breaks(consumers).scores(replace(consumers))
    assert len(set(frequency[:2])) == len(set(frequency[2:])) == 1
