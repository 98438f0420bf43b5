import csv
import io
import re
from decimal import Decimal

import httpx
import pytest
from sqlalchemy.ext.asyncio import AsyncSession

from app.auth.models import AdminUser
from app.console.views import TABLES
from app.ingest.models import Import, ImportReject
from app.websites.models import Website
from tests.builders import create_address, create_order, create_product, create_user, unique

KEYS = [table.key or "" for table in TABLES]
LINK = re.compile(r'href="(/console/[^"]*/detail/[^"]*)"')
TOTAL = re.compile(r'id="total">\s*(.*?)\s*</span>', re.DOTALL)


async def fill(session: AsyncSession, clerk: AdminUser) -> dict[str, object]:
    """A row for each table, and what its page is found by."""
    user = await create_user(session, name="Zoë Quill")
    address = await create_address(session, user)
    product = await create_product(session, product_name="Brass kettle")
    order = await create_order(session, user=user, lines=[(product, 2)])
    website = Website(
        name=unique("store"), platform="shopify", base_url="https://shop.example", credentials=b"sealed-secret",
        status_map={"packed": "confirmed"},
    )  # fmt: skip
    job = Import(
        source_website="sailor", file_name="orders.csv", format="generic", status="succeeded", records_rejected=1
    )
    session.add_all([website, job])
    await session.flush()
    reject = ImportReject(import_id=job.id, place="row 3", kind="order", reason="Total is not a number", raw='{"a": 1}')
    session.add(reject)
    await session.flush()
    return {
        "consumers": user.id, "addresses": address.id, "products": product.id, "orders": order.id,
        "websites": website.name, "imports": job.id, "rejects": reject.id, "admins": clerk.id,
    }  # fmt: skip


SHOWN = {
    "consumers": ["Zoë Quill", "House 1, Road 2"],
    "addresses": ["House 1, Road 2", "Dhaka"],
    "products": ["Brass kettle", "12.50"],
    "orders": ["Brass kettle", "25.00 USD", "Zoë Quill"],
    "websites": ["https://shop.example", "packed"],
    "imports": ["orders.csv", "1 rejects"],
    "rejects": ["Total is not a number", "{&#34;a&#34;: 1}"],
    "admins": ["@example.com"],
}


@pytest.mark.parametrize("key", KEYS)
async def test_a_table_and_a_row(console: httpx.AsyncClient, session: AsyncSession, clerk: AdminUser, key: str):
    row = (await fill(session, clerk))[key]
    page = await console.get(f"{key}/list")
    assert page.status_code == 200
    assert f"/console/{key}/detail/{row}" in LINK.findall(page.text)
    assert 'aria-current="page"' in page.text
    record = await console.get(f"{key}/detail/{row}")
    assert record.status_code == 200
    for text in SHOWN[key]:
        assert text in record.text
    assert "sealed-secret" not in page.text + record.text
    assert (await console.get(f"{key}/detail/999999999")).status_code == 404


@pytest.mark.parametrize("key", KEYS)
async def test_every_column_can_be_shown(console: httpx.AsyncClient, session: AsyncSession, clerk: AdminUser, key: str):
    await fill(session, clerk)
    names = re.findall(r'name="columns" value="(\w+)"', (await console.get(f"{key}/list")).text)
    page = await console.get(f"{key}/list", params={"columns": names})
    assert page.status_code == 200
    assert page.text.count('<th scope="col"') == len(names)
    one = await console.get(f"{key}/list", params={"columns": names[1]})
    assert one.text.count('<th scope="col"') == 1


@pytest.mark.parametrize("key", KEYS)
async def test_a_table_is_exported_whole(console: httpx.AsyncClient, session: AsyncSession, clerk: AdminUser, key: str):
    row = (await fill(session, clerk))[key]
    answer = await console.get(f"{key}/export.csv")
    assert answer.headers["content-disposition"] == f'attachment; filename="{key}.csv"'
    lines = list(csv.DictReader(io.StringIO(answer.text)))
    assert str(row) in {line.get("id", line.get("name")) for line in lines}
    assert not {"hashed_password", "credentials", "webhook_secrets"} & lines[0].keys()
    assert "sealed-secret" not in answer.text


@pytest.mark.parametrize("name", ["=1+1", "+1", "-1", "@SUM(A1)", "\tTab", "\rReturn"])
async def test_no_exported_text_is_a_formula(console: httpx.AsyncClient, session: AsyncSession, name: str):
    product = await create_product(session, product_name=name, variant=name, barcode=name)
    answer = await console.get("products/export.csv", params={"sku": product.sku})
    (line,) = csv.DictReader(io.StringIO(answer.text, newline=""))
    assert {line["product_name"], line["variant"], line["barcode"]} == {f"'{name}"}
    assert line["price"] == "12.50"


async def test_an_export_holds_what_the_list_would(console: httpx.AsyncClient, session: AsyncSession):
    website = unique("shop")
    for price in (5, 15, 25):
        await create_product(session, source_website=website, price=Decimal(price))
    query = {"source_website": website, "price_min": "10", "sort": "-price", "size": "25"}
    answer = await console.get("products/export.csv", params=query)
    assert [line["price"] for line in csv.DictReader(io.StringIO(answer.text))] == ["25.00", "15.00"]


async def test_what_is_predicted_is_exported_elsewhere(console: httpx.AsyncClient):
    for path in ("consumers/export.csv?rfm_group=LOYAL", "products/export.csv?demand_class=smooth"):
        answer = await console.get(path)
        assert answer.status_code == 422
        assert "exported where predictions are" in answer.text


async def test_the_usual_choice_is_no_filter(console: httpx.AsyncClient, session: AsyncSession):
    user = await create_user(session, is_active=False)
    link = f"/console/consumers/detail/{user.id}"
    page = await console.get("consumers/list?is_active=true")
    assert link not in page.text
    assert "<option selected>true</option>" in page.text
    assert 'class="console-fold" >' in page.text
    page = await console.get("consumers/list?is_active=any")
    assert link in page.text
    assert 'class="console-fold" open>' in page.text


async def test_a_list_is_searched_and_filtered_and_sorted(console: httpx.AsyncClient, session: AsyncSession):
    website = unique("shop")
    user = await create_user(session, name="Ottilie Vale")
    for status, amount in (("pending", 30), ("shipped", 10), ("cancelled", 20)):
        await create_order(
            session, user=user, source_website=website, status=status, total_amount=Decimal(amount),
            order_number=f"{website}-{status}",
        )  # fmt: skip

    async def list_numbers(**query: str | list[str]) -> list[str]:
        text = (await console.get("orders/list", params={"source_website": website, **query})).text
        return re.findall(rf"{website}-(\w+)\b", "".join(re.findall(r"<tbody>.*</tbody>", text, re.DOTALL)))

    assert await list_numbers(sort="total_amount") == ["shipped", "cancelled", "pending"]
    assert await list_numbers(sort="-total_amount") == ["pending", "cancelled", "shipped"]
    assert await list_numbers(status=["pending", "shipped"], sort="total_amount") == ["shipped", "pending"]
    assert await list_numbers(amount_min="15", amount_max="25") == ["cancelled"]
    assert await list_numbers(q="ottilie", sort="id") == ["pending", "shipped", "cancelled"]
    assert await list_numbers(q="somebody else") == []


@pytest.mark.parametrize(
    ("query", "sentence"),
    [
        ("amount_min=many", "Input should be a valid decimal"),
        ("placed_from=yesterday", "Input should be a valid datetime"),
        ("sort=colour", "Input should be"),
        ("user_id=0", "greater than or equal to 1"),
    ],
)
async def test_a_filter_that_is_none_is_told_at_its_box(console: httpx.AsyncClient, query: str, sentence: str):
    page = await console.get(f"orders/list?{query}")
    assert page.status_code == 422
    assert sentence in page.text
    assert (await console.get(f"orders/export.csv?{query}")).headers["location"] == f"list?{query}"


def follow(text: str, rel: str) -> str | None:
    found = re.search(rf'rel="{rel}" href="([^"]*)"', text)
    return found[1].replace("&amp;", "&") if found else None


def rows_of(text: str) -> list[str]:
    return re.findall(r'href="/console/products/detail/(\d+)"', text)


@pytest.mark.parametrize("sort", ["id", "-id", "price", "-price", "product_name", "-created_at"])
async def test_pages_follow_each_other_both_ways(
    console: httpx.AsyncClient, session: AsyncSession, statements: list[str], sort: str
):
    website = unique("shop")
    for number in range(60):
        await create_product(session, source_website=website, price=Decimal(number % 7), product_name=f"P{number % 5}")
    query = {"source_website": website, "sort": sort}
    every = rows_of((await console.get("products/list", params={**query, "size": "100"})).text)
    assert len(every) == 60

    statements.clear()
    text = (await console.get("products/list", params=query)).text
    pages = [rows_of(text)]
    while link := follow(text, "next"):
        text = (await console.get(f"products/list{link}")).text
        pages.append(rows_of(text))
    assert [len(page) for page in pages] == [25, 25, 10]
    assert [row for page in pages for row in page] == every

    back = [pages[-1]]
    while link := follow(text, "prev"):
        text = (await console.get(f"products/list{link}")).text
        back.insert(0, rows_of(text))
    assert back == pages
    assert not any("OFFSET" in each for each in statements)
    assert all("LIMIT" in each for each in statements if "count(" in each)


async def test_a_page_of_one_list_is_none_of_another(console: httpx.AsyncClient, session: AsyncSession):
    for _ in range(26):
        await create_product(session)
    link = follow((await console.get("products/list")).text, "next")
    assert link is not None
    assert (await console.get(f"products/list{link}&sku=other")).status_code == 422
    assert (await console.get(f"orders/list{link}")).status_code == 422
    assert (await console.get("products/list?after=nonsense")).status_code == 422


@pytest.mark.parametrize(("key", "most"), [("orders", 5), ("consumers", 4), ("products", 4), ("imports", 4)])
async def test_a_list_needs_few_statements(
    console: httpx.AsyncClient, session: AsyncSession, clerk: AdminUser, statements: list[str], key: str, most: int
):
    for _ in range(3):
        await fill(session, clerk)
    statements.clear()
    await console.get(f"{key}/list")
    assert len(statements) <= most


async def test_a_placeholder_is_nobodys_email(console: httpx.AsyncClient, session: AsyncSession):
    user = await create_user(session, email=f"{unique('guest')}@shop.invalid")
    for path in (
        f"consumers/detail/{user.id}",
        "consumers/list",
        "consumers/export.csv",
        f"consumers/edit?pk={user.id}",
    ):
        assert ".invalid" not in (await console.get(path)).text


async def test_what_a_stranger_named_is_text_and_no_markup(console: httpx.AsyncClient, session: AsyncSession):
    name = '<img src=x onerror="alert(1)">'
    user = await create_user(session, name=name)
    product = await create_product(session, product_name=name, sku=f"{unique('S')}<b>")
    order = await create_order(session, user=user, lines=[(product, 1)])
    for path in (
        "consumers/list", f"consumers/detail/{user.id}", f"consumers/edit?pk={user.id}", "products/list",
        f"products/detail/{product.id}", "orders/list", f"orders/detail/{order.id}", "orders/list?q=%3Cimg%20src",
    ):  # fmt: skip
        text = (await console.get(path)).text
        assert "<img" not in text
        assert "<b>" not in text
