"""A WooCommerce store's REST API, version 3, over a `Shop`."""

from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from email.utils import format_datetime
from typing import Any, Literal
from urllib.parse import parse_qsl, urlencode

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from fakestores import phpjson
from fakestores.deliveries import Delivery
from fakestores.faults import FaultMiddleware, Faults
from fakestores.shop import Shop
from fakestores.woocommerce import queries
from fakestores.woocommerce.auth import Guard
from fakestores.woocommerce.errors import Refused, invalid_id, invalid_params, no_route
from fakestores.woocommerce.params import Params
from fakestores.woocommerce.payloads import (
    SYMBOLS,
    VERSION,
    WORDPRESS_VERSION,
    View,
    build_customer,
    build_order,
    build_product,
    build_refund,
    build_variation,
    build_variation_as_product,
)
from fakestores.woocommerce.queries import Ordering, Paging
from fakestores.woocommerce.webhooks import TOPICS, WooWebhooks, build_webhook

KEY, SECRET = "ck_test", "cs_test"

_CACHED_LISTS = 32

Handler = Callable[["Call"], "Answer"]
Deliver = Callable[[Delivery], Awaitable[object]]


@dataclass(slots=True)
class Store:
    """One served store: what it holds, and the ways of the host and the version that serve it."""

    shop: Shop
    guard: Guard
    webhooks: WooWebhooks
    tls: bool | None
    home_url: str | None
    embeds_refunds: bool
    ignores_paging: bool
    unstable_ties: bool
    deliver: Deliver | None
    _lists: dict[tuple[Any, ...], tuple[int, list[Any]]] = field(default_factory=dict)

    def find_rows(self, name: str, call: "Call", find: Callable[[Shop, Params], list[Any]]) -> list[Any]:
        """What a filter finds, kept until the store changes: a client that pages asks the same again and again."""
        given = sorted((k, tuple(v)) for k, v in call.params.given.items() if k not in _PAGING)
        place = (name, str(given))
        kept = self._lists.get(place)
        if kept is None or kept[0] != self.shop.revision:
            if len(self._lists) >= _CACHED_LISTS:
                self._lists.clear()
            kept = self._lists[place] = (self.shop.revision, find(self.shop, call.params))
        return kept[1]


_PAGING = frozenset({"page", "per_page", "offset", "_fields", "consumer_key", "consumer_secret", "dp"})


@dataclass(slots=True)
class Call:
    """One request, as far as it has been understood."""

    store: Store
    request: Request
    params: Params
    base_url: str
    body: Mapping[str, Any]

    @property
    def shop(self) -> Shop:
        return self.store.shop

    @property
    def view(self) -> View:
        decimals = self.params.integer("dp", 2)
        return View(self.shop, self.base_url, decimals, self.store.embeds_refunds)

    def id(self, name: str = "id") -> int:
        return int(self.request.path_params[name])


@dataclass(slots=True)
class Answer:
    body: Any
    status: int = 200
    allow: str = "GET"
    headers: dict[str, str] = field(default_factory=dict)


_ONE = "GET, POST, PUT, PATCH, DELETE"
_MANY = "GET, POST"


def create_app(
    shop: Shop,
    *,
    keys: Mapping[str, str] | None = None,
    faults: Faults | None = None,
    auth: Literal["basic", "query", "oauth"] = "basic",
    tls: bool | None = None,
    drops_authorization: bool = False,
    home_url: str | None = None,
    read_only_keys: Iterable[str] = (),
    storage: Literal["posts", "hpos"] = "posts",
    embeds_refunds: bool = True,
    ignores_paging: bool = False,
    unstable_ties: bool | None = None,
    webhooks: WooWebhooks | None = None,
    deliver: Deliver | None = None,
) -> Starlette:
    """The store as an ASGI application; `app.state.store` is what it works with.

    `tls` says whether the store believes to be asked over TLS, where the scheme alone should not decide. `auth` is
    short for the host that takes only that: "query" drops the Authorization header, "oauth" sees plain HTTP. With
    `storage="posts"` edits of money leave an order's date alone and rows of one second come in no stable order.
    OAuth has to sign `home_url`, the configured one, where it differs from the address that is called.
    `deliver` sends the ping of a new webhook while it is being created.
    """
    shop.silent_edits = storage == "posts"
    dropped = drops_authorization or auth == "query"
    store = Store(
        shop=shop,
        guard=Guard(keys or {KEY: SECRET}, frozenset(read_only_keys), dropped),
        webhooks=webhooks or WooWebhooks(shop, base_url=home_url or "https://shop.example"),
        tls=False if auth == "oauth" else tls,
        home_url=home_url,
        embeds_refunds=embeds_refunds,
        ignores_paging=ignores_paging,
        unstable_ties=storage == "posts" if unstable_ties is None else unstable_ties,
        deliver=deliver,
    )
    app = Starlette(
        routes=_build_routes(store),
        middleware=[Middleware(FaultMiddleware, faults=faults)] if faults else [],
        exception_handlers={404: _refuse_route(store), 405: _refuse_route(store)},
    )
    app.state.store = store
    return app


def _build_routes(store: Store) -> list[Route]:
    api = "/wp-json/wc/v3"
    handlers: list[tuple[str, str, Handler]] = [
        ("GET", f"{api}/orders", _list_orders),
        ("GET", f"{api}/orders/{{id:int}}", _get_order),
        ("GET", f"{api}/orders/{{id:int}}/refunds", _list_refunds),
        ("GET", f"{api}/orders/{{id:int}}/refunds/{{refund_id:int}}", _get_refund),
        ("GET", f"{api}/customers", _list_customers),
        ("GET", f"{api}/customers/{{id:int}}", _get_customer),
        ("GET", f"{api}/products", _list_products),
        ("GET", f"{api}/products/{{id:int}}", _get_product),
        ("GET", f"{api}/products/{{id:int}}/variations", _list_variations),
        ("GET", f"{api}/products/{{id:int}}/variations/{{variation_id:int}}", _get_variation),
        ("GET", f"{api}/settings/general", _list_settings),
        ("GET", f"{api}/settings/general/{{name}}", _get_setting),
        ("GET", f"{api}/data/currencies/current", _get_currency),
        ("GET", f"{api}/system_status", _get_system_status),
        ("GET", f"{api}/reports/orders/totals", _report_order_totals),
        ("GET", f"{api}/webhooks", _list_webhooks),
        ("POST", f"{api}/webhooks", _create_webhook),
        ("GET", f"{api}/webhooks/{{id:int}}", _get_webhook),
        ("PUT", f"{api}/webhooks/{{id:int}}", _update_webhook),
        ("DELETE", f"{api}/webhooks/{{id:int}}", _delete_webhook),
    ]
    index = [Route(path, _endpoint(store, _get_index, is_open=True)) for path in ("/wp-json", "/wp-json/")]
    return index + [Route(path, _endpoint(store, handler), methods=[verb]) for verb, path, handler in handlers]


def _endpoint(store: Store, handler: Handler, *, is_open: bool = False) -> Callable[[Request], Awaitable[Response]]:
    async def answer(request: Request) -> Response:
        base_url = store.home_url or str(request.base_url).rstrip("/")
        body = await _read_body(request)
        params = Params.parse(request.query_params.multi_items(), store.shop.time_zone)
        call = Call(store, request, params, base_url, body)
        is_known = is_open
        try:
            if not is_open:
                is_tls = request.url.scheme == "https" if store.tls is None else store.tls
                store.guard.authenticate(request, is_tls=is_tls, home_url=base_url)
                is_known = True
            with store.shop.lock:
                found = handler(call)
        except Refused as refusal:
            allow = _allow(request.url.path) if is_known else ""
            found = Answer(refusal.body, refusal.status, allow)
        if store.deliver is not None:
            for ping in store.webhooks.take_pings():
                await store.deliver(ping)
        return _respond(call, found, is_anonymous=is_open or not is_known)

    return answer


def _allow(path: str) -> str:
    return _ONE if path.rsplit("/", 1)[-1].isdigit() else _MANY


async def _read_body(request: Request) -> Mapping[str, Any]:
    if request.method in {"GET", "HEAD"}:
        return {}
    if "json" in request.headers.get("content-type", ""):
        found = await request.json()
        return found if isinstance(found, dict) else {}
    return dict(parse_qsl((await request.body()).decode()))


def _respond(call: Call, answer: Answer, *, is_anonymous: bool) -> Response:
    headers = _build_headers(call.store, call.base_url) | answer.headers
    if answer.allow:
        headers["Allow"] = answer.allow
    headers |= {"Vary": "Origin"} if is_anonymous else _NOT_CACHED
    body = _pick_fields(answer.body, call.params.text("_fields")) if answer.status < 400 else answer.body
    content = b"" if call.request.method == "HEAD" else phpjson.encode(body)
    return Response(content, answer.status, headers)


def _build_headers(store: Store, base_url: str) -> dict[str, str]:
    return {
        "Date": format_datetime(store.shop.now(), usegmt=True),
        "X-Powered-By": "PHP/8.2.36",
        "Content-Type": "application/json; charset=UTF-8",
        "X-Robots-Tag": "noindex",
        "Link": f'<{base_url}/wp-json/>; rel="https://api.w.org/"',
        "X-Content-Type-Options": "nosniff",
        "Access-Control-Expose-Headers": "X-WP-Total, X-WP-TotalPages, Link",
        "Access-Control-Allow-Headers": "Authorization, X-WP-Nonce, Content-Disposition, Content-MD5, Content-Type",
    }


_NOT_CACHED = {"Expires": "Wed, 11 Jan 1984 05:00:00 GMT", "Cache-Control": "no-cache, must-revalidate, max-age=0"}


def _refuse_route(store: Store) -> Callable[[Request, Exception], Awaitable[Response]]:
    async def answer(request: Request, _: Exception) -> Response:
        refusal = no_route()
        base_url = store.home_url or str(request.base_url).rstrip("/")
        return Response(phpjson.encode(refusal.body), refusal.status, _build_headers(store, base_url) | _NOT_CACHED)

    return answer


def _pick_fields(body: Any, wanted: str) -> Any:
    """`_fields=id,billing.email`: of a list's rows, or of the one."""
    names = [name.strip() for name in wanted.split(",") if name.strip()]
    if not names:
        return body
    if isinstance(body, list):
        return [_pick(row, names) for row in body]
    return _pick(body, names)


def _pick(row: Mapping[str, Any], names: Iterable[str]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name in names:
        first, _, rest = name.partition(".")
        if first not in row:
            continue
        if not rest:
            found[first] = row[first]
        elif isinstance(row[first], dict):
            found[first] = found.get(first, {}) | _pick(row[first], [rest])
    return found


# Lists


def _page(
    call: Call,
    rows: list[Any],
    build: Callable[[View, Any], Any],
    *,
    ordering: Ordering | None = None,
    keys: Mapping[str, Callable[[Any], Any]] | None = None,
    defaults: Mapping[str, str] | None = None,
) -> Answer:
    """One page of the rows, with the totals in its headers; past the end none, and the totals all the same."""
    paging = Paging.read(call.params)
    call.params.check()
    offset = 0 if call.store.ignores_paging else paging.offset
    if ordering is not None:
        rows = ordering.sort(rows, dict(keys or {}), offset)
    shown = rows[offset : offset + paging.per_page]
    pages = paging.count_pages(len(rows))
    headers = {"X-WP-Total": str(len(rows)), "X-WP-TotalPages": str(pages)}
    if link := _link_pages(call, paging.page, pages, defaults or {}, is_empty=not shown):
        headers["Link"] = link
    view = call.view
    return Answer([build(view, row) for row in shown], allow=_MANY, headers=headers)


def _link_pages(call: Call, page: int, pages: int, defaults: Mapping[str, str], *, is_empty: bool) -> str:
    """To the pages before and after, in WordPress's own order of the parameters, with its defaults among them."""
    query = {k: v for k, v in call.request.query_params.items() if k != "status" and not k.startswith("status[")}
    if statuses := call.params.text("status") or defaults.get("status", ""):
        listed = [part for value in call.params.given.get("status", [statuses]) for part in value.split(",")]
        query |= {f"status[{number}]": status for number, status in enumerate(listed)}
    if defaults and not is_empty:
        # They get among the parameters when the first row is built.
        query.setdefault("dp", "2")
        query.setdefault("context", "view")
    path = f"{call.base_url}{call.request.url.path}"
    links = []
    if page > 1 and pages:
        links.append(f'<{path}?{urlencode(query | {"page": str(min(page - 1, pages))})}>; rel="prev"')
    if page < pages:
        links.append(f'<{path}?{urlencode(query | {"page": str(page + 1)})}>; rel="next"')
    return ", ".join(links)


def _list_orders(call: Call) -> Answer:
    ordering = Ordering.read(call.params)
    if call.store.unstable_ties:
        ordering = Ordering(ordering.by, ordering.descending, ordering.included, is_unstable=True)
    Paging.read(call.params)
    call.params.integer("dp", 2)
    rows = call.store.find_rows("orders", call, queries.filter_orders)
    defaults = {"status": "any"}
    return _page(call, rows, build_order, ordering=ordering, keys=queries.ORDER_KEYS, defaults=defaults)


def _list_customers(call: Call) -> Answer:
    ordering = Ordering.read(call.params, by="name", direction="asc", allowed=queries.CUSTOMER_ORDERINGS)
    Paging.read(call.params)
    rows = call.store.find_rows("customers", call, queries.filter_customers)
    return _page(call, rows, build_customer, ordering=ordering, keys=queries.CUSTOMER_KEYS)


def _list_products(call: Call) -> Answer:
    ordering = Ordering.read(call.params)
    Paging.read(call.params)
    rows = call.store.find_rows("products", call, queries.filter_products)
    return _page(call, rows, build_product, ordering=ordering, keys=queries.PRODUCT_KEYS)


def _list_variations(call: Call) -> Answer:
    """Of an unknown product none, without an error."""
    product = call.shop.products.get(call.id())
    ordering = Ordering.read(call.params)
    rows = queries.filter_variations(product.variations if product else [], call.shop, call.params)
    return _page(call, rows, build_variation, ordering=ordering, keys=queries.PRODUCT_KEYS)


def _list_refunds(call: Call) -> Answer:
    """Of an unknown order none, without an error; newest first."""
    order = call.shop.orders.get(call.id())
    if order is None:
        return _page(call, [], build_order)
    found = order
    return _page(call, list(reversed(found.refunds)), lambda view, refund: build_refund(view, found, refund))


def _list_webhooks(call: Call) -> Answer:
    return _page(call, list(call.store.webhooks.subscriptions.values()), build_webhook)


# Single objects


def _get_order(call: Call) -> Answer:
    """Trashed ones too: only their lists leave them out."""
    order = call.shop.orders.get(call.id())
    if order is None:
        raise invalid_id("shop_order")
    return Answer(build_order(call.view, order), allow=_ONE)


def _get_refund(call: Call) -> Answer:
    order = call.shop.orders.get(call.id())
    if order is None:
        raise invalid_id("shop_order")
    for refund in order.refunds:
        if refund.id == call.id("refund_id"):
            return Answer(build_refund(call.view, order, refund), allow="GET, DELETE")
    raise invalid_id("shop_order_refund")


def _get_customer(call: Call) -> Answer:
    customer = call.shop.customers.get(call.id())
    if customer is None:
        raise invalid_id("customer")
    return Answer(build_customer(call.view, customer), allow=_ONE)


def _get_product(call: Call) -> Answer:
    product = call.shop.products.get(call.id())
    if product is not None:
        return Answer(build_product(call.view, product), allow=_ONE)
    variation = call.shop.variations.get(call.id())
    if variation is None:
        raise invalid_id("product")
    return Answer(build_variation_as_product(call.view, variation), allow=_ONE)


def _get_variation(call: Call) -> Answer:
    variation = call.shop.variations.get(call.id("variation_id"))
    if variation is None or variation.product_id != call.id():
        raise invalid_id("product_variation")
    return Answer(build_variation(call.view, variation), allow=_ONE)


# The store itself


def _get_index(call: Call) -> Answer:
    """The one place that needs no key, and the one that tells the time zone."""
    offset = call.shop.now().astimezone(call.shop.time_zone).utcoffset()
    hours = offset.total_seconds() / 3600 if offset is not None else 0.0
    body: dict[str, Any] = {
        "name": call.shop.name,
        "description": "",
        "url": call.base_url,
        "home": call.base_url,
        "gmt_offset": int(hours) if hours.is_integer() else hours,
        "timezone_string": call.shop.time_zone.key,
        "namespaces": ["oembed/1.0", "wc/store", "wc/v1", "wc/v2", "wc/v3", "wp/v2"],
        "authentication": {},
        "routes": {},
    }
    links = {"_links": {"help": [{"href": "https://developer.wordpress.org/rest-api/"}]}}
    return Answer(_keep(call, body, links))


def _keep(call: Call, body: dict[str, Any], links: dict[str, Any]) -> dict[str, Any]:
    """Some routes add their links after the fields were picked."""
    picked: dict[str, Any] = _pick_fields(body, call.params.text("_fields"))
    call.params.given.pop("_fields", None)
    return picked | links


def _build_settings(call: Call) -> list[dict[str, Any]]:
    shop = call.shop
    values = {
        "woocommerce_default_country": ("Country / State", "select", "US:CA", "BD:BD-13"),
        "woocommerce_calc_taxes": ("Enable taxes", "checkbox", "no", "yes" if shop.tax_rate else "no"),
        "woocommerce_currency": ("Currency", "select", "USD", shop.currency),
        "woocommerce_price_num_decimals": ("Number of decimals", "number", "2", "2"),
    }
    return [
        {
            "id": name,
            "label": label,
            "description": "",
            "type": kind,
            "default": default,
            "tip": "",
            "value": value,
            "group_id": "general",
        }
        for name, (label, kind, default, value) in values.items()
    ]


def _list_settings(call: Call) -> Answer:
    return Answer(_build_settings(call))


def _get_setting(call: Call) -> Answer:
    name = call.request.path_params["name"]
    for setting in _build_settings(call):
        if setting["id"] == name:
            collection = f"{call.view.api_url}/settings/general"
            links = {"self": [{"href": f"{collection}/{name}"}], "collection": [{"href": collection}]}
            return Answer(_keep(call, setting, {"_links": links}), allow="GET, POST, PUT, PATCH")
    raise Refused(404, "rest_setting_setting_invalid", "Invalid setting.")


def _get_currency(call: Call) -> Answer:
    code = call.shop.currency
    collection = f"{call.view.api_url}/data/currencies"
    links = {"self": [{"href": f"{collection}/{code}"}], "collection": [{"href": collection}]}
    return Answer({"code": code, "name": code, "symbol": SYMBOLS.get(code, code), "_links": links})


def _get_system_status(call: Call) -> Answer:
    """`default_timezone` is PHP's own, which is not the store's."""
    is_hpos = not call.shop.silent_edits
    classes = ("WC_Order_Data_Store_CPT", "Automattic\\WooCommerce\\Internal\\DataStores\\Orders\\OrdersTableDataStore")
    environment = {
        "home_url": call.base_url,
        "site_url": call.base_url,
        "version": VERSION,
        "wp_version": WORDPRESS_VERSION,
        "language": "en_US",
        "default_timezone": "UTC",
    }
    settings = {
        "api_enabled": False,
        "force_ssl": False,
        "currency": call.shop.currency,
        "currency_symbol": SYMBOLS.get(call.shop.currency, call.shop.currency),
        "currency_position": "left",
        "thousand_separator": ",",
        "decimal_separator": ".",
        "number_of_decimals": 2,
        "geolocation_enabled": False,
        "taxonomies": {kind: kind for kind in ("external", "grouped", "simple", "variable")},
        "product_visibility_terms": {kind: kind for kind in _VISIBILITIES},
        "woocommerce_com_connected": "no",
        "enforce_approved_download_dirs": True,
        "order_datastore": classes[is_hpos],
        "HPOS_feature_screen_enabled": is_hpos,
        "HPOS_enabled": is_hpos,
        "HPOS_sync_enabled": False,
    }
    return Answer({"environment": environment, "settings": settings})


_VISIBILITIES = (
    "exclude-from-catalog",
    "exclude-from-search",
    "featured",
    "outofstock",
    *(f"rated-{stars}" for stars in range(1, 6)),
)


def _report_order_totals(call: Call) -> Answer:
    """Every status that the store knows, the empty ones too."""
    counts = dict.fromkeys(queries.list_statuses(call.shop), 0)
    for order in call.shop.orders.values():
        if order.status in counts:
            counts[order.status] += 1
    names = queries.list_statuses(call.shop)
    return Answer([{"slug": slug, "name": names[slug], "total": total} for slug, total in counts.items()])


# Webhooks


def _create_webhook(call: Call) -> Answer:
    """Active at once, whether or not its ping arrives."""
    topic, url = str(call.body.get("topic", "")), str(call.body.get("delivery_url", ""))
    missing = [name for name, value in (("topic", topic), ("delivery_url", url)) if not value]
    if missing:
        message = f"Missing parameter(s): {', '.join(missing)}"
        raise Refused(400, "rest_missing_callback_param", message, params=missing)
    if topic not in TOPICS:
        raise Refused(400, "woocommerce_rest_webhook_invalid_topic", "Webhook topic is required and must be valid.")
    if not url.startswith(("http://", "https://")):
        message = "Webhook delivery URL must be a valid URL starting with http:// or https://."
        raise Refused(400, "woocommerce_rest_webhook_invalid_delivery_url", message)
    secret, name = str(call.body.get("secret", "")), str(call.body.get("name", ""))
    created = call.store.webhooks.subscribe(topic, url, secret, name=name)
    body = build_webhook(call.view, created)
    # The date that the answer shows is of before the first save.
    return Answer(body, 201, _MANY, {"Location": f"{call.view.api_url}/webhooks/{created.id}"})


def _get_webhook(call: Call) -> Answer:
    subscription = call.store.webhooks.subscriptions.get(call.id())
    if subscription is None:
        raise invalid_id("shop_webhook")
    return Answer(build_webhook(call.view, subscription), allow=_ONE)


def _update_webhook(call: Call) -> Answer:
    """Made active again, it sends no ping and has its failures forgiven."""
    subscription = call.store.webhooks.subscriptions.get(call.id())
    if subscription is None:
        raise invalid_id("shop_webhook")
    status = str(call.body.get("status", subscription.status))
    if status not in {"active", "paused", "disabled"}:
        raise invalid_params({"status": ("rest_not_in_enum", "status is not one of active, paused, and disabled.")})
    if status == "active" and subscription.status != "active":
        subscription.failures = 0
    subscription.status = status
    subscription.url = str(call.body.get("delivery_url", subscription.url))
    subscription.secret = str(call.body.get("secret", subscription.secret))
    subscription.modified_at = call.shop.now()
    return Answer(build_webhook(call.view, subscription), allow=_ONE)


def _delete_webhook(call: Call) -> Answer:
    subscription = call.store.webhooks.subscriptions.get(call.id())
    if subscription is None:
        raise invalid_id("shop_webhook")
    if not call.params.flag("force"):
        raise Refused(501, "woocommerce_rest_trash_not_supported", "Webhooks do not support trashing.")
    del call.store.webhooks.subscriptions[subscription.id]
    return Answer(build_webhook(call.view, subscription), allow=_ONE)
