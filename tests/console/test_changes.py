"""What is changed in the console obeys the API's rules."""

from decimal import Decimal

import httpx
import pytest
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import InstrumentedAttribute

from app.auth.models import AdminUser
from app.orders.models import OrderStatus
from app.products.models import Product
from app.users.models import User, UserAddress
from app.websites.models import SourceKind, SourceRecord
from tests.builders import create_address, create_order, create_product, create_user, unique
from tests.console.conftest import PASSWORD, send, sign_in


async def read(session: AsyncSession, column: InstrumentedAttribute[bool], row_id: int) -> bool:
    """As it stands in the table now."""
    return bool(await session.scalar(select(column).where(column.class_.id == row_id)))


CONSUMER = {"name": "Ada Byron", "phone": "+44 1", "type": "consumer", "source_website": "Sailor", "is_active": "on"}


async def test_a_consumer_is_added(console: httpx.AsyncClient, session: AsyncSession):
    email = f"{unique('ada')}@Example.com"
    page = await send(console, "consumers/create", email=email, **CONSUMER)
    assert "was added successfully" in page.text
    user = await session.scalar(select(User).where(User.email == email.lower()))
    assert user is not None
    assert (user.name, user.source_website, user.is_active) == ("Ada Byron", "sailor", True)
    links = await session.scalars(select(SourceRecord.kind).where(SourceRecord.user_id == user.id))
    assert list(links) == [SourceKind.OWN]


async def test_a_form_says_what_is_wrong_and_keeps_what_was_written(console: httpx.AsyncClient, session: AsyncSession):
    user = await create_user(session)
    page = await send(console, "consumers/create", **CONSUMER | {"name": ""}, email=user.email)
    assert page.status_code == 422
    assert "This field is required" in page.text
    page = await send(console, "consumers/create", **CONSUMER | {"phone": "5" * 21}, email="none")
    assert "value is not a valid email address" in page.text
    assert "at most 20 characters" in page.text
    assert 'value="Ada Byron"' in page.text
    page = await send(console, "consumers/create", **CONSUMER, email=user.email)
    assert page.status_code == 422
    assert f"A user with the e-mail {user.email} exists already." in page.text


async def test_only_what_was_touched_changes(console: httpx.AsyncClient, session: AsyncSession):
    """Naming the website anew would make the consumer one of our own there."""
    user = User(name="Jane", phone="", email=f"{unique('guest')}@shop.invalid", source_website="sailor")
    session.add(user)
    await session.flush()
    record = SourceRecord(source_website="sailor", kind=SourceKind.GUEST, external_id=unique("e"), user_id=user.id)
    session.add(record)
    await session.flush()
    form = {"name": "Jane Doe", "email": "", "phone": "", "type": "consumer", "source_website": "sailor"}
    page = await send(console, f"consumers/edit?pk={user.id}", **form, is_active="on")
    assert "was changed successfully" in page.text
    await session.refresh(user)
    assert user.name == "Jane Doe"
    assert user.email.endswith(".invalid")
    links = await session.scalars(select(SourceRecord.kind).where(SourceRecord.user_id == user.id))
    assert list(links) == [SourceKind.GUEST]


@pytest.mark.parametrize("key", ["consumers", "products"])
async def test_deactivating_and_restoring(console: httpx.AsyncClient, session: AsyncSession, key: str):
    row: User | Product = await (create_user(session) if key == "consumers" else create_product(session))
    path = f"{key}/detail/{row.id}"
    for _ in range(2):
        page = await send(console, f"{path}/action/deactivate")
        assert page.url.path == f"/console/{path}"
        await session.refresh(row)
        assert not row.is_active
    assert "Restore" in page.text
    await send(console, f"{path}/action/restore")
    await session.refresh(row)
    assert row.is_active


async def test_addresses(console: httpx.AsyncClient, session: AsyncSession):
    user = await create_user(session)
    first = await create_address(session, user, is_default=True)
    form = {"country": "India", "city": "Pune", "district": "", "address": "Lane 3", "is_default": "on"}
    page = await send(console, f"addresses/create?user_id={user.id}", **form, user_id=str(user.id))
    assert "was added successfully" in page.text
    second = await session.scalar(select(UserAddress).where(UserAddress.user_id == user.id, UserAddress.is_default))
    assert second is not None
    assert (second.city, second.district) == ("Pune", None)
    assert not await read(session, UserAddress.is_default, first.id)

    page = await send(console, f"addresses/edit?pk={second.id}", **form | {"city": "Mumbai"})
    await session.refresh(second)
    assert second.city == "Mumbai"
    page = await send(console, f"addresses/detail/{second.id}/action/remove")
    assert page.url.path == f"/console/consumers/detail/{user.id}"
    assert await read(session, UserAddress.is_default, first.id)
    page = await send(console, "addresses/create", **form, user_id="999999999")
    assert page.status_code == 422
    assert "There is no user 999999999." in page.text
    page = await send(console, "addresses/create", **form, user_id="Jane")
    assert "This is no consumer&#39;s id." in page.text


async def test_products(console: httpx.AsyncClient, session: AsyncSession):
    sku, other = unique("KETTLE"), await create_product(session)
    form = {
        "product_name": "Kettle", "variant": "", "sku": sku, "barcode": "", "price": "19.90", "stock_quantity": "7",
        "source_website": "sailor", "is_active": "on",
    }  # fmt: skip
    await send(console, "products/create", **form)
    product = await session.scalar(select(Product).where(Product.sku == sku))
    assert product is not None
    assert (product.price, product.stock_quantity, product.variant) == (Decimal("19.90"), 7, None)
    page = await send(console, f"products/edit?pk={product.id}", **form | {"price": "-1", "stock_quantity": "many"})
    assert page.status_code == 422
    assert "greater than or equal to 0" in page.text
    assert "valid integer" in page.text
    page = await send(console, f"products/edit?pk={product.id}", **form | {"sku": other.sku})
    assert f"A product with the sku {other.sku} exists on sailor already." in page.text
    back = f"/console/products/detail/{product.id}"
    edited = form | {"price": "21", "stock_quantity": ""}
    page = await send(console, f"products/edit?pk={product.id}&_origin={back}", **edited)
    assert page.url.path == back
    await session.refresh(product)
    assert (product.price, product.stock_quantity) == (Decimal("21.00"), None)


async def test_an_order_moves_by_the_rules(console: httpx.AsyncClient, session: AsyncSession):
    order = await create_order(session)
    path = f"orders/detail/{order.id}"
    page = await send(console, f"{path}/action/move", status="shipped")
    assert f"Order {order.order_number} is shipped now." in page.text
    await session.refresh(order)
    assert order.status == OrderStatus.SHIPPED
    page = await send(console, f"{path}/action/move", status="pending")
    assert f"Order {order.order_number} is shipped; it can become delivered or cancelled" in page.text
    page = await send(console, f"{path}/action/move", status="lost")
    assert "Input should be" in page.text
    await session.refresh(order)
    assert order.status == OrderStatus.SHIPPED
    assert (await send(console, "orders/detail/999999999/action/move", status="shipped")).status_code == 404


@pytest.mark.parametrize("path", ["orders/create", "orders/edit?pk=1", "imports/create", "websites/edit?pk=sailor"])
async def test_what_is_for_reading_has_no_form(console: httpx.AsyncClient, path: str):
    assert (await console.get(path)).status_code == 403


async def test_admins(console: httpx.AsyncClient, session: AsyncSession, clerk: AdminUser):
    name = unique("grace")
    form = {"username": name, "email": f"{name}@example.com", "password": PASSWORD}
    page = await send(console, "admins/create", **form | {"password": "short"})
    assert "must have at least 8 characters" in page.text
    assert "short" not in page.text
    await send(console, "admins/create", **form)
    admin = await session.scalar(select(AdminUser).where(AdminUser.username == name))
    assert admin is not None
    page = await send(console, "admins/create", **form | {"email": f"{unique('other')}@example.com"})
    assert f"username: {name} is taken already." in page.text

    await send(console, f"admins/detail/{admin.id}/action/deactivate")
    assert not await read(session, AdminUser.is_active, admin.id)
    await send(console, f"admins/detail/{admin.id}/action/activate")
    assert await read(session, AdminUser.is_active, admin.id)
    page = await send(console, f"admins/detail/{clerk.id}/action/deactivate")
    assert page.url.path == "/console/login"
    assert (await sign_in(console, name)).status_code == 303
