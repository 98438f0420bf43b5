"""Returns booked as refunds of what their customer bought last, on the database."""

from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy.ext.asyncio import AsyncSession

from app.ingest.formats.base import Options
from app.ingest.mapping import Mapping
from app.ingest.models import Import
from tests.ingest.conftest import Ingest, read_content, snapshot
from tests.ingest.payloads import as_csv

MAPPING = Mapping(return_prefix="C", codes={"fee": ["M"]}, defaults={"status": "delivered"})
REFUND = Options(MAPPING, returns="refund")
SKIP = Options(MAPPING)
CUT = "a return was booked only as far as its purchase reaches"


def bought(number: str, day: int, quantity: int = 2, **overrides: str) -> dict[str, str]:
    """For 3.00 apiece, by customer 7. Of a number that begins with C it is taken back."""
    return {
        "order_number": number, "placed_at": f"2026-01-{day:02d}", "customer_id": "7", "email": "", "sku": "MUG",
        "product_name": "", "quantity": str(-quantity if number[0] == "C" else quantity), "unit_price": "3.00",
        "status": "", "is_test": "",
    } | overrides  # fmt: skip


@pytest.fixture
def take(ingest: Ingest) -> Any:
    async def take(*rows: dict[str, str], options: Options = REFUND, **more: Any) -> Import:
        return await ingest(as_csv(*rows), format="generic", options=options, **more)

    return take


@pytest.fixture
def refunded(query: Any) -> Any:
    async def refunded() -> dict[str, Decimal]:
        rows = await query("SELECT order_number, refunded_total FROM orders WHERE refunded_total > 0")
        return {row["order_number"]: row["refunded_total"] for row in rows}

    return refunded


def outcomes(job: Import) -> dict[str, int]:
    found: dict[str, int] = job.details["kinds"].get("return", {})
    return found


async def test_on_the_latest_earlier_purchase_of_the_product(take: Any, refunded: Any):
    job = await take(
        bought("C9", 20, 1), bought("1", 1), bought("2", 10), bought("3", 20), bought("4", 15, sku="PEN"),
        bought("5", 16, customer_id="8"),
    )  # fmt: skip
    assert await refunded() == {"2": Decimal(3)}
    assert (outcomes(job), job.records_read, job.details["skipped"]) == ({"created": 1}, 6, {})


async def test_as_far_as_it_reaches(take: Any, refunded: Any):
    job = await take(bought("1", 1, 1), bought("2", 2, 1), bought("2", 2, 1), bought("C3", 3, 5))
    assert await refunded() == {"2": Decimal(6)}
    assert job.details["warnings"] == {CUT: 1}


@pytest.mark.parametrize("chunk_size", [1, 1000])
@pytest.mark.parametrize("later_first", [False, True])
async def test_two_share_a_purchase_the_earlier_takes_first(
    take: Any, query: Any, refunded: Any, chunk_size: int, later_first: bool
):
    returns = [bought("C2", 2, 2), bought("C3", 3, 2)]
    await take(
        bought("1", 1, 3), *(returns[::-1] if later_first and chunk_size > 1 else returns), chunk_size=chunk_size
    )
    assert await refunded() == {"1": Decimal(9)}
    rows = await query("SELECT external_id, said ->> 'amount' AS amount FROM source_records WHERE kind = 'refund'")
    assert {row["external_id"]: row["amount"] for row in rows} == {
        "return:C2:MUG:1": "6.00",
        "return:C3:MUG:1": "3.00",
    }


async def test_equal_lines_are_returns_of_their_own(take: Any, refunded: Any):
    job = await take(bought("1", 1, 9), bought("C2", 2, 1), bought("C2", 2, 1))
    assert outcomes(job) == {"created": 2}
    assert await refunded() == {"1": Decimal(6)}


async def test_one_that_finds_nothing_left_is_booked_with_nothing(take: Any, refunded: Any, session: AsyncSession):
    rows = [bought("1", 1, 1), bought("C2", 2, 1), bought("C3", 3, 1)]
    assert outcomes(await take(*rows)) == {"created": 2}
    assert await refunded() == {"1": Decimal(3)}
    before = await snapshot(session)
    assert outcomes(await take(*rows)) == {"unchanged": 2}
    assert await snapshot(session) == before


@pytest.mark.parametrize(
    "given",
    [
        bought("C9", 5, customer_id="8"),
        bought("C9", 5, customer_id=""),
        bought("C9", 5, customer_id="", email="nobody@example.com"),
        bought("C9", 5, sku="PEN"),
        bought("C9", 5, sku="M"),
        bought("C9", 1),  # at the same moment, not before
        bought("C9", 5, sku="LOST"),
        bought("C9", 5, sku="TRIED"),
    ],
    ids=["customer", "nobody", "guest", "product", "code", "date", "cancelled", "test"],
)
async def test_without_a_purchase(take: Any, query: Any, refunded: Any, session: AsyncSession, given: dict[str, str]):
    rows = [
        bought("1", 1), bought("2", 2, sku="LOST", status="cancelled"),
        bought("3", 2, sku="TRIED", is_test="true"), given,
    ]  # fmt: skip
    job = await take(*rows)
    assert outcomes(job) == {"return_without_purchase": 1}
    assert job.details["skipped"] == {"return_without_purchase": 1}
    assert await refunded() == {}
    assert await query("SELECT 1 FROM source_records WHERE kind IN ('refund', 'return')") == []
    before = await snapshot(session)
    assert outcomes(await take(*rows)) == {"return_without_purchase": 1}
    assert await snapshot(session) == before


async def test_one_without_a_purchase_is_booked_when_that_is_known(take: Any, refunded: Any):
    back = bought("C9", 5, 1)
    await take(back)
    await take(bought("1", 1), back)
    assert await refunded() == {"1": Decimal(3)}


async def test_another_website_s_purchase_is_none(take: Any, refunded: Any):
    guest: Any = {"customer_id": "", "email": "a@example.com"}
    await take(bought("1", 1, **guest), website="other")
    assert outcomes(await take(bought("C2", 2, **guest))) == {"return_without_purchase": 1}
    assert await refunded() == {}


async def test_customers_and_products_are_found_as_in_orders(take: Any, refunded: Any):
    guest: Any = {"customer_id": "", "email": "a@example.com"}
    named: Any = {"sku": "", "product_name": "Blue mug"}
    await take(bought("1", 1, **guest), bought("2", 2, **named), bought("3", 3, **named, product_id="P1"))
    job = await take(
        bought("C4", 9, 1, customer_id="", email="A@Example.com"),
        bought("C5", 9, 1, customer_id="9", email="a@example.com"),  # the guest has an account now
        bought("C6", 9, 1, sku="", product_name="other words", product_id="P1"),
    )
    assert outcomes(job) == {"created": 3}
    assert await refunded() == {"1": Decimal(6), "3": Decimal(3)}


async def test_what_was_booked_counts_when_the_product_is_another_row_now(take: Any, ingest: Ingest, refunded: Any):
    named: Any = {"sku": "", "product_name": "Blue mug"}
    product = {"product_id": "P1", "sku": "BM", "product_name": "Blue mug", "price": "3.00"}
    await ingest(as_csv(product))
    await take(bought("1", 1, **named), bought("C2", 2, 1, **named))
    await ingest(as_csv(product | {"product_id": "P2", "sku": "BM2"}))  # from now on the name means neither
    job = await take(bought("C3", 3, 2, **named))
    assert await refunded() == {"1": Decimal(6)}
    assert job.details["warnings"] == {CUT: 1}


async def test_an_account_is_not_taken_for_another(take: Any, refunded: Any):
    await take(bought("1", 1, email="a@example.com"))
    job = await take(bought("C2", 2, customer_id="8", email="a@example.com"))
    assert outcomes(job) == {"return_without_purchase": 1}
    assert await refunded() == {}


@pytest.mark.parametrize("chunk_size", [1, 2, 1000])
async def test_the_same_file_again_writes_nothing(take: Any, session: AsyncSession, chunk_size: int):
    rows = [
        bought("1", 1, 5), bought("C2", 2, 1), bought("C2", 2, 1), bought("1", 1, 1, sku="PEN"), bought("3", 3, 2),
        bought("C4", 4, 9), bought("C5", 5, 1, sku="PEN"), bought("C6", 6, 1, sku="ODD"),
    ]  # fmt: skip
    first = await take(*rows, chunk_size=chunk_size)
    assert outcomes(first) == {"created": 4, "return_without_purchase": 1}
    before = await snapshot(session)
    again = await take(*rows, chunk_size=chunk_size)
    assert outcomes(again) == {"unchanged": 4, "return_without_purchase": 1}
    assert again.records_unchanged == 6
    assert await snapshot(session) == before


async def test_a_dry_run_counts_the_same(take: Any, query: Any):
    rows = [bought("1", 1, 5), bought("C2", 2, 1), bought("C3", 3, 1), bought("C4", 3, 1, sku="ODD")]
    rehearsed = await take(*rows, dry_run=True, chunk_size=2)
    assert await query("SELECT 1 FROM orders") == []
    done = await take(*rows, chunk_size=2)
    assert outcomes(rehearsed) == outcomes(done) == {"created": 2, "return_without_purchase": 1}


async def test_a_corrected_return_is_booked_anew(take: Any, refunded: Any):
    sold = [bought("1", 1, 2), bought("2", 10, 2)]
    await take(*sold, bought("C3", 11, 2))
    assert await refunded() == {"2": Decimal(6)}
    assert outcomes(await take(bought("C3", 11, 1))) == {"updated": 1}
    assert await refunded() == {"2": Decimal(3)}
    await take(bought("C3", 5, 1))
    assert await refunded() == {"1": Decimal(3)}
    assert outcomes(await take(bought("C3", 1, 1))) == {"return_without_purchase": 1}
    assert await refunded() == {}


async def test_an_order_that_comes_again_keeps_its_returns(take: Any, refunded: Any):
    await take(bought("1", 1), bought("C2", 2, 1))
    job = await take(bought("1", 1, 4))
    assert job.records_updated == 1
    assert await refunded() == {"1": Decimal(3)}


async def test_left_out_at_first_and_booked_later(take: Any, refunded: Any, session: AsyncSession):
    rows = [bought("1", 1), bought("C2", 2, 1)]
    assert (await take(*rows, options=SKIP)).details["skipped"] == {"return": 1}
    assert await refunded() == {}
    job = await take(*rows)
    assert (job.records_unchanged, outcomes(job)) == (1, {"created": 1})
    assert await refunded() == {"1": Decimal(3)}
    before = await read_content(session)
    await take(*rows, options=SKIP)
    assert await read_content(session) == before
