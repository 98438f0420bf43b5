"""Word-prefix search, asked of PostgreSQL itself."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import literal, select
from sqlalchemy.ext.asyncio import AsyncSession

from app.utils.search import matches_words, search_document, to_words


async def matches(session: AsyncSession, q: str, *texts: str | None) -> bool:
    document = search_document(*(literal(text) for text in texts))
    return bool(await session.scalar(select(matches_words(document)), {"q": to_words(q)}))


@pytest.mark.parametrize(
    ("q", "text"),
    [
        ("jane", "Jane Doe"),
        ("DO ja", "Jane Doe"),
        ("doe, jane", "Jane Doe"),
        ("jane@shop.example", "jane@shop.example"),
        ("shop", "jane.doe@shop.example"),
        ("example doe", "jane.doe@shop.example"),
        ("mug-blue", "MUG-BLUE/2"),
        ("880 1711", "+880-1711-000000"),
        ("o'brien", "Sinéad O'Brien"),
        ("o'br", "Sinéad O'Brien"),
        (r"a\b", r"a\b"),
        ('"best"', 'Acme "Best" (Ltd.)'),
        ("r&d", "R&D kit"),
        ("müll", "Hans Müller"),
        ("রহি", "রহিম উদ্দিন"),
        ("শক্তি", "শক্তি চট্টোপাধ্যায়"),
        ("চট্টো শক্", "শক্তি চট্টোপাধ্যায়"),
        ("র\u200d্যাব", "র\u200d্যাব সদস্য"),
        ("می\u200cخو", "می\u200cخواهم"),
        ("محم", "محمد علي"),
        ("田", "田中 太郎"),
    ],
)
async def test_finds(session: AsyncSession, q: str, text: str):
    assert await matches(session, q, text)


@pytest.mark.parametrize(
    ("q", "text"),
    [
        ("ane", "Jane Doe"),
        ("jane roe", "Jane Doe"),
        ("shopping", "jane@shop.example"),
        ("চট্টোগ্রাম", "শক্তি চট্টোপাধ্যায়"),
    ],
)
async def test_does_not_find(session: AsyncSession, q: str, text: str):
    assert not await matches(session, q, text)


async def test_words_may_stand_in_several_columns(session: AsyncSession):
    assert await matches(session, "jane gma 0171", "Jane", "doe@gmail.example", None, "01711-1")


@pytest.mark.parametrize("q", ["", "   ", "?!", "'", "''", "\\", "\\'", "' \\ ''", "&|!():*<->", "\x00", "\u200d"])
async def test_text_without_a_word_finds_nothing(session: AsyncSession, q: str):
    assert not await matches(session, q, "Jane Doe")


# The fixture's transaction holds nothing that one example could leave to the next.
@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(q=st.text(max_size=200) | st.text(alphabet="ab'\\\"&|!():*<>- \t\x00\x01\u200d্", max_size=30))
async def test_no_text_raises(session: AsyncSession, q: str):
    await matches(session, q, "Jane Doe")
