from datetime import datetime
from typing import Annotated, ClassVar, Literal, Self
from urllib.parse import urlsplit

import httpx
from pydantic import AfterValidator, Field, SecretStr, StringConstraints, model_validator

from app.orders.models import OrderStatus
from app.utils.schemas import CurrencyCode, ReadSchema, Schema, UpdateSchema, WebsiteName
from app.websites.models import Platform
from app.websites.schedules import Schedule

EVERY_QUARTER = "*/15 * * * *"
EVERY_NIGHT = "30 3 * * *"


class WebsiteArgument(Schema):
    """A website's name, checked by the rule that all of them follow."""

    website: WebsiteName


def _check_address(given: str) -> str:
    try:
        parts = urlsplit(given if "://" in given else f"https://{given}")
        port = parts.port
    except ValueError:
        raise ValueError("is no web address") from None
    if parts.scheme not in {"https", "http"} or not parts.hostname or any(each.isspace() for each in parts.hostname):
        raise ValueError("must be the store's address, such as https://shop.example.com")
    if parts.username or parts.password:
        raise ValueError("must not hold a key or a password: those are the credentials")
    if parts.query or parts.fragment:
        raise ValueError("must end before ? and #")
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    address = f"{parts.scheme}://{host}{f':{port}' if port else ''}{parts.path.rstrip('/')}"
    try:
        httpx.URL(address)  # what will be asked with it; it refuses hosts that IDNA does not know
    except httpx.InvalidURL:
        raise ValueError("is no web address") from None
    return address


StoreAddress = Annotated[
    str,
    Field(max_length=500, examples=["https://shop.example.com"]),
    AfterValidator(_check_address),
]
Secret = Annotated[SecretStr, Field(min_length=1, max_length=500)]
StatusWord = Annotated[str, StringConstraints(strip_whitespace=True, to_lower=True, min_length=1, max_length=50)]
StatusMap = Annotated[
    dict[StatusWord, OrderStatus],
    Field(
        max_length=100,
        examples=[{"ready-pickup": "confirmed"}],
        description="what the store's words for an order's status mean here; before those that are known anyway",
    ),
]


class WooCommerceKeys(Schema):
    """Of WooCommerce's settings under Advanced, REST API. Reading is enough."""

    consumer_key: Secret
    consumer_secret: Secret


class ShopifyToken(Schema):
    """Of a custom app that was made in the shop's admin; new apps have client credentials instead."""

    access_token: Secret


class ShopifyClient(Schema):
    """Of an app made in the Dev Dashboard and installed on the shop: the client credentials grant."""

    client_id: Annotated[str, Field(min_length=1, max_length=500)]
    client_secret: Secret


Credentials = WooCommerceKeys | ShopifyToken | ShopifyClient
_OF_PLATFORM: dict[Platform, tuple[type[Schema], ...]] = {
    Platform.WOOCOMMERCE: (WooCommerceKeys,),
    Platform.SHOPIFY: (ShopifyToken, ShopifyClient),
}
_WANTED = {
    Platform.WOOCOMMERCE: "consumer_key and consumer_secret",
    Platform.SHOPIFY: "client_id and client_secret, or access_token",
}


def check_credentials(platform: Platform, credentials: Credentials) -> None:
    """Raises ValueError where they are another platform's."""
    if not isinstance(credentials, _OF_PLATFORM[platform]):
        raise ValueError(f"credentials of a {platform} store are {_WANTED[platform]}")


def reveal(credentials: Credentials) -> dict[str, str]:
    """As they are sealed, and given to the connector."""
    return {name: value.get_secret_value() if isinstance(value, SecretStr) else value for name, value in credentials}


ApiVersion = Annotated[
    str,
    Field(
        max_length=20,
        pattern=r"^(\d{4}-\d{2}|unstable)$",
        examples=["2026-01"],
        description="of Shopify's Admin API; the one that is known here where not given",
    ),
]


class WebsiteCreate(Schema):
    name: WebsiteName
    platform: Platform
    base_url: StoreAddress
    api_version: ApiVersion | None = None
    credentials: Credentials
    schedule: Schedule | None = Field(EVERY_QUARTER, description="when changes are read; null: only when asked")
    reconcile_schedule: Schedule | None = Field(EVERY_NIGHT, description="when all of it is compared; null: never")
    status_map: StatusMap = Field(default_factory=dict)
    webhook_secret: Secret | None = None

    @model_validator(mode="after")
    def _check(self) -> Self:
        check_credentials(self.platform, self.credentials)
        if self.platform == Platform.SHOPIFY and urlsplit(self.base_url).path:
            raise ValueError("base_url of a Shopify store ends with its host, such as https://shop.myshopify.com")
        return self


class WebsiteUpdate(UpdateSchema):
    not_null: ClassVar = frozenset({"base_url", "status_map", "is_active"})

    base_url: StoreAddress | None = None
    api_version: ApiVersion | None = None
    schedule: Schedule | None = None
    reconcile_schedule: Schedule | None = None
    status_map: StatusMap | None = None
    currency: CurrencyCode | None = None
    is_active: bool | None = None


class CredentialsUpdate(Schema):
    """New credentials, a new secret of the webhooks, or both. What is absent stays."""

    credentials: Credentials | None = None
    webhook_secret: Secret | None = Field(
        None, description="the one before is still accepted, until the store signs with this one everywhere"
    )

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.credentials is None and self.webhook_secret is None:
            raise ValueError("give credentials, a webhook_secret, or both")
        return self


class WebsiteRead(ReadSchema):
    name: str
    platform: Literal["woocommerce", "shopify"] | None = Field(description="null where no store was registered")
    base_url: str | None
    api_version: str | None
    currency: str | None
    time_zone: str | None
    status_map: dict[str, str]
    is_active: bool
    schedule: str | None
    reconcile_schedule: str | None
    next_sync_at: datetime | None
    next_reconcile_at: datetime | None
    created_at: datetime
    updated_at: datetime
