"""Questions to a Shopify double within the process."""

from typing import Any

import httpx
from starlette.applications import Starlette

from fakestores.shop import Shop
from fakestores.shopify import TOKEN, create_app

ADDRESS = "https://rise.myshopify.com"
BAG = "{ shopMoney { amount currencyCode } presentmentMoney { amount currencyCode } }"
PLACE = "{ name firstName lastName address1 address2 city province provinceCode country countryCodeV2 zip phone }"

ORDER_FIELDS = f"""
  id name email phone createdAt processedAt updatedAt cancelledAt test taxesIncluded currencyCode
  displayFinancialStatus displayFulfillmentStatus
  totalPriceSet {BAG} totalDiscountsSet {BAG} totalTaxSet {BAG} totalTipReceivedSet {BAG} totalRefundedSet {BAG}
  currentTotalPriceSet {BAG} totalShippingPriceSet {BAG}
  customer {{ id firstName lastName defaultEmailAddress {{ emailAddress }} }}
  billingAddress {PLACE} shippingAddress {PLACE}
"""
LINE_FIELDS = f"""
  id name title variantTitle sku quantity currentQuantity variant {{ id sku }} product {{ id }}
  originalUnitPriceSet {BAG} discountAllocations {{ allocatedAmountSet {BAG} }}
"""


class Shopify:
    """A client with a token, whose answers are read."""

    def __init__(self, app: Starlette, version: str = "2026-01", token: str = TOKEN) -> None:
        self.client = httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=ADDRESS)
        self.url = f"/admin/api/{version}/graphql.json"
        self.headers = {"X-Shopify-Access-Token": token}

    async def post(self, query: str, /, **variables: Any) -> httpx.Response:
        body = {"query": query, "variables": variables}
        return await self.client.post(self.url, json=body, headers=self.headers)

    async def ask(self, query: str, /, **variables: Any) -> dict[str, Any]:
        """The data of an answer without errors."""
        answer = await self.post(query, **variables)
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        assert "errors" not in found, found["errors"]
        data: dict[str, Any] = found["data"]
        return data

    async def fail(self, query: str, /, **variables: Any) -> list[dict[str, Any]]:
        """The errors of an answer that has some."""
        errors: list[dict[str, Any]] = (await self.post(query, **variables)).json()["errors"]
        return errors

    async def run_bulk(self, query: str, **arguments: Any) -> dict[str, Any]:
        """Started, and looked at until it is over."""
        operation = await self.start_bulk(query, **arguments)
        for _ in range(50):
            shown = await self.look(operation["id"])
            if shown["status"] not in {"CREATED", "RUNNING", "CANCELING"}:
                return shown
        raise AssertionError("it does not end")

    async def start_bulk(self, query: str, **arguments: Any) -> dict[str, Any]:
        given = "".join(f", {name}: {str(value).lower()}" for name, value in arguments.items())
        found = await self.ask(
            f"mutation ($query: String!) {{ bulkOperationRunQuery(query: $query{given}) "
            "{ bulkOperation { id status url } userErrors { field message code } } }",
            query=query,
        )
        started: dict[str, Any] = found["bulkOperationRunQuery"]
        assert started["userErrors"] == []
        operation: dict[str, Any] = started["bulkOperation"]
        return operation

    async def look(self, id: str) -> dict[str, Any]:
        fields = "id status errorCode createdAt completedAt objectCount rootObjectCount fileSize url partialDataUrl"
        node = f"query ($id: ID!) {{ node(id: $id) {{ ... on BulkOperation {{ {fields} }} }} }}"
        found: dict[str, Any] = (await self.ask(node, id=id))["node"]
        return found


def open_shop(shop: Shop, **options: Any) -> Shopify:
    return Shopify(create_app(shop, **options))
