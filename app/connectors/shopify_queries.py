"""What Shopify is asked for, as GraphQL: exactly what `shopify_graphql` reads of its nodes.

A query may cost 1,000 points at most, which an object within a connection costs as often as `first` allows for it. So
pages are small, and nested connections have room for what is usual; who has more is asked for the rest by itself.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from app.connectors.base import Resource

_MONEY = "{ shopMoney { amount } }"
_PERSON = "id firstName lastName defaultEmailAddress { emailAddress } defaultPhoneNumber { phoneNumber }"
_PLACE = "name firstName lastName address1 address2 city province provinceCode country countryCodeV2 zip phone"
_PAGE_INFO = "pageInfo { hasNextPage endCursor }"

# What was paid back in a refund is told by its total as well as by its transactions, which no bulk operation can list.
_ORDER = f"""
    id name email phone test taxesIncluded currencyCode createdAt processedAt updatedAt cancelledAt
    displayFinancialStatus displayFulfillmentStatus
    totalPriceSet {_MONEY} totalDiscountsSet {_MONEY} totalTaxSet {_MONEY} totalTipReceivedSet {_MONEY}
    totalRefundedSet {_MONEY} currentTotalDutiesSet {_MONEY}
    customer {{ {_PERSON} }}
    billingAddress {{ {_PLACE} }} shippingAddress {{ {_PLACE} }}
    fulfillments {{ displayStatus deliveredAt }}
    refunds {{ id totalRefundedSet {_MONEY} }}
"""
_LINE = f"id name title variantTitle sku quantity variant {{ id }} product {{ id }} originalUnitPriceSet {_MONEY}"
_VARIANT = """
    id title sku barcode price inventoryQuantity updatedAt inventoryItem { tracked } selectedOptions { name value }
"""
MOST_NESTED = 100
"""How many of a nested connection are asked for at once, when they are asked for by themselves."""


@dataclass(frozen=True)
class Nested:
    """`usual` is how many of them a node rarely has more of."""

    fields: str
    usual: int


@dataclass(frozen=True)
class Kind:
    """`page` and `sweep_page` are how many are asked for at once."""

    resource: Resource
    type: str
    raw: str
    fields: str
    nested: Mapping[str, Nested]
    page: int
    swept: str
    swept_fields: str
    sweep_page: int

    @property
    def _whole(self) -> str:
        return self.fields + "".join(
            f" {name}(first: {each.usual}) {{ nodes {{ {each.fields} }} {_PAGE_INFO} }}"
            for name, each in self.nested.items()
        )

    def list_pages(self, *, counted: bool) -> str:
        """Of `$first` after `$after`, by the time of their last change."""
        count = f"counted: {self.resource}Count(limit: null) {{ count precision }}" if counted else ""
        return f"""query ($first: Int!, $after: String, $query: String) {{ {count}
            listed: {self.resource}(first: $first, after: $after, query: $query, sortKey: UPDATED_AT) {{
                nodes {{ {self._whole} }} {_PAGE_INFO} }} }}"""

    def get_nodes(self) -> str:
        return f"query ($ids: [ID!]!) {{ nodes(ids: $ids) {{ ... on {self.type} {{ {self._whole} }} }} }}"

    def get_nested(self, name: str) -> str:
        return f"""query ($id: ID!, $after: String) {{ node(id: $id) {{ ... on {self.type} {{ id
            {name}(first: {MOST_NESTED}, after: $after) {{ nodes {{ {self.nested[name].fields} }} {_PAGE_INFO} }}
            }} }} }}"""

    def list_in_bulk(self) -> str:
        nested = "".join(f" {name} {{ edges {{ node {{ {each.fields} }} }} }}" for name, each in self.nested.items())
        return f"{{ {self.resource} {{ edges {{ node {{ {self.fields} {nested} }} }} }} }}"

    def sweep(self) -> str:
        return f"""query ($first: Int!, $after: String, $query: String) {{
            listed: {self.swept}(first: $first, after: $after, query: $query, sortKey: ID) {{
                nodes {{ {self.swept_fields} }} {_PAGE_INFO} }} }}"""


KINDS: dict[Resource, Kind] = {
    "customers": Kind(
        resource="customers",
        type="Customer",
        raw="customer",
        fields=f"{_PERSON} updatedAt defaultAddress {{ {_PLACE} }}",
        nested={"addressesV2": Nested(f"id {_PLACE}", 4)},
        page=80,
        swept="customers",
        swept_fields="id",
        sweep_page=250,
    ),
    "products": Kind(
        resource="products",
        type="Product",
        raw="product",
        fields="id title handle status publishedAt updatedAt",
        nested={"variants": Nested(_VARIANT, 10)},
        page=25,
        swept="productVariants",
        swept_fields="id",
        sweep_page=250,
    ),
    "orders": Kind(
        resource="orders",
        type="Order",
        raw="order",
        fields=_ORDER,
        nested={
            "lineItems": Nested(_LINE, 5),
            "shippingLines": Nested(f"id originalPriceSet {_MONEY}", 2),
        },
        page=15,
        swept="orders",
        swept_fields=f"""
            id currencyCode createdAt processedAt cancelledAt displayFinancialStatus displayFulfillmentStatus
            totalPriceSet {_MONEY} totalRefundedSet {_MONEY}
        """,
        sweep_page=180,
    ),
}

SHOP = "{ shop { name currencyCode ianaTimezone } currentAppInstallation { accessScopes { handle } } }"
PROBE = """{
    customers(first: 1) { nodes { id defaultEmailAddress { emailAddress } } }
    products(first: 1) { nodes { id } }
    orders(first: 1) { nodes { id } }
}"""
OLDEST_ORDER = """{
    currentAppInstallation { accessScopes { handle } }
    orders(first: 1, sortKey: ID) { nodes { id } }
}"""
PRODUCTS_OF_VARIANTS = "query ($ids: [ID!]!) { nodes(ids: $ids) { ... on ProductVariant { id product { id } } } }"

START_BULK = """mutation ($query: String!) { bulkOperationRunQuery(query: $query) {
    bulkOperation { id createdAt } userErrors { field message }
} }"""
LOOK_AT_BULK = """query ($id: ID!) { node(id: $id) { ... on BulkOperation {
    id status errorCode createdAt query objectCount rootObjectCount fileSize url
} } }"""
CANCEL_BULK = """mutation ($id: ID!) { bulkOperationCancel(id: $id) {
    bulkOperation { id status } userErrors { message }
} }"""
