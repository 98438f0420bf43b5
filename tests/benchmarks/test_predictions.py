"""The benchmark of predictions: what it draws, what it runs, and what it says where another library is missing."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.pool import NullPool

from app.predictions.clv.bgnbd import BgNbd
from app.predictions.clv.fitting import fit
from app.runtime import migrations
from benchmarks import contenders, models, predicting
from benchmarks.contenders import Contender, Unavailable
from benchmarks.dataset import LAST_DAY, Size, fill
from benchmarks.watching import run_watched
from tests.conftest import new_database

ORDERS = 5_000


@pytest.fixture(scope="module")
def url(server_url: str) -> Iterator[str]:
    with new_database(server_url) as filled:
        migrations.upgrade(filled)
        fill(filled, Size(users=1_000, products=100, orders=ORDERS, lines=2 * ORDERS), come_and_go=True)
        yield filled


def test_consumers_come_and_go(url: str):
    engine = create_engine(url, poolclass=NullPool)
    with engine.connect() as connection:
        rows = connection.execute(
            text(
                "SELECT user_id, min(o.id), max(o.id), count(*) FROM orders o JOIN users u ON u.id = user_id GROUP BY 1"
            )
        ).all()
        last = connection.execute(text("SELECT max(placed_at AT TIME ZONE 'UTC')::date FROM orders")).scalar_one()
    user, first_order, last_order, count = np.array(rows).T
    assert count.sum() == ORDERS
    # Nobody buys before having come, and of those who came in the first half most have gone before the last tenth.
    assert ((user - 1) // 10 * 10 <= first_order / ORDERS * 1_000 + 10).all()
    assert np.mean(last_order[user <= 500] > 0.9 * ORDERS) < 0.5
    # The first of ten that come together buys about five times as often as any other.
    assert 0.4 < count[user % 10 == 1].sum() / ORDERS < 0.5
    assert (last - LAST_DAY).days in {0, 1}


def test_a_process_is_watched():
    command = [sys.executable, "-c", "import time; held = b'1' * (100 << 20); time.sleep(1)"]
    seconds, peak = run_watched(command, os.environ)
    assert seconds > 1
    assert 100 << 20 < peak < 200 << 20
    with pytest.raises(RuntimeError, match="ended with 3:\nso it is"):
        run_watched([sys.executable, "-c", "import sys; print('so it is', file=sys.stderr); sys.exit(3)"], os.environ)


async def test_a_run_is_queued_for_the_last_day(url: str):
    run_id = await predicting.queue_run(url)
    with pytest.raises(RuntimeError, match="The run has queued"):
        await predicting.read_timings(url, run_id)


def test_a_run_is_described():
    timings = {"seconds": {"reading": 20.4, "consumers": 9.8}, "total": 30.2, "share_in_database": 0.683}
    found = predicting.Predicted(31.4, 500, timings)
    assert found.describe() == "31 s: reading 20, consumers 10; 68% of it in SQL"


def test_our_own_fit_takes_part(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(models, "TURNS", 1)
    histories = models.draw_histories()
    fitted, missing = models.fit_each([models.OUR_FIT], histories)
    assert (list(fitted), missing) == (["ours"], {})
    assert fitted["ours"].seconds > 0
    assert fitted["ours"].log_likelihood == pytest.approx(fit(BgNbd(), histories).log_likelihood, abs=1e-6)


def test_demand_is_told_apart_by_its_origin():
    drawn = models.draw_demand(100)
    assert drawn.known.shape == (len(models.ORIGINS), 100, max(models.ORIGINS))
    for known, later, origin in zip(drawn.known, drawn.later, models.ORIGINS, strict=True):
        assert np.isnan(known[:, origin:]).all()
        assert not np.isnan(known[:, origin - models.LEAST_WEEKS : origin]).any()
        if origin < max(models.ORIGINS):
            assert later.tolist() == drawn.known[0, :, origin : origin + models.AHEAD].sum(axis=1).tolist()


def test_our_own_forecast_takes_part():
    drawn = models.draw_demand(100)
    found = models.forecast_each(models.OUR_FORECAST, drawn, rounds=1)
    assert found.units.shape == (len(models.ORIGINS), 100, models.AHEAD)
    assert set(found.seconds) == {"seconds", "seconds_of_runs"}
    assert drawn.miss(found.units) < drawn.miss(np.zeros_like(found.units)) == 1


def test_a_library_that_cannot_be_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(contenders, "ENVIRONMENTS", tmp_path)
    monkeypatch.setattr(models, "TURNS", 1)
    missing = Contender("fit_lifetimes.py", "./nowhere")
    with pytest.raises(Unavailable, match="nowhere"):
        missing.run()
    monkeypatch.setattr(models, "OTHER_FITS", (missing,))
    (row,) = models.bgnbd()
    assert (row.name, row.ok, "could not be installed" in row.note) == ("bgnbd", False, True)
