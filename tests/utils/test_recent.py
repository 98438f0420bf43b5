import pytest

from app.utils.recent import Recent


async def test_what_was_found_is_kept_for_its_time(monkeypatch: pytest.MonkeyPatch):
    now = 100.0
    monkeypatch.setattr("app.utils.recent.time.monotonic", lambda: now)
    recent: Recent[str] = Recent(seconds=2)
    asked = []

    async def find() -> str:
        asked.append(now)
        return f"found at {now}"

    assert await recent.find_or("key", find) == "found at 100.0"
    now = 101.9
    assert await recent.find_or("key", find) == "found at 100.0"
    assert recent.find("another key") is None
    now = 102.0
    assert await recent.find_or("key", find) == "found at 102.0"
    assert asked == [100.0, 102.0]


async def test_a_failure_is_not_kept():
    recent: Recent[str] = Recent(seconds=60)

    async def fail() -> str:
        raise LookupError

    for _ in range(2):
        with pytest.raises(LookupError):
            await recent.find_or("key", fail)
    assert recent.find("key") is None


def test_so_many_are_kept_at_once():
    recent: Recent[int] = Recent(seconds=60, most=3)
    for number in range(4):
        recent.keep(number, number)
    assert [recent.find(number) for number in range(4)] == [None, None, None, 3]


def test_without_seconds_nothing_is_kept():
    recent: Recent[int] = Recent(seconds=0)
    recent.keep("key", 1)
    assert recent.find("key") is None
