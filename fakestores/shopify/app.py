"""A Shopify shop's Admin GraphQL API over a `Shop`, with the files of its bulk operations."""

import hashlib
import json
import re
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from email.utils import format_datetime
from typing import Any
from urllib.parse import parse_qsl

from graphql import (
    DocumentNode,
    FragmentDefinitionNode,
    GraphQLError,
    OperationDefinitionNode,
    execute_sync,
    parse,
    validate,
)
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from fakestores.faults import FaultMiddleware, Faults
from fakestores.shop import Shop
from fakestores.shopify.api import ALL_SCOPES, SCHEMA, Context, list_nodes, resolve_field
from fakestores.shopify.bulk import BulkOperations, Operation, Order
from fakestores.shopify.cost import Cost, Fields
from fakestores.shopify.lists import Lists
from fakestores.shopify.nodes import timestamp
from fakestores.shopify.webhooks import ShopifyWebhooks

TOKEN = "shpat_test"  # noqa: S105
TOKEN_LIFE = timedelta(seconds=86399)
_VERSION = re.compile(r"20\d\d-(01|04|07|10)")
_UNAUTHORISED = {"errors": "[API] Invalid API key or access token (unrecognized login or wrong password)"}
_LIMITS = "https://shopify.dev/api/usage/rate-limits"


@dataclass(slots=True)
class Bucket:
    """Points that queries cost and that time restores. A test may put `timer` in the place of the real clock."""

    size: float = 2000.0
    restore_rate: float = 100.0
    timer: Callable[[], float] = time.monotonic
    _level: float = field(init=False)
    _seen: float = field(init=False)

    def __post_init__(self) -> None:
        self._level, self._seen = self.size, self.timer()

    @property
    def available(self) -> float:
        now = self.timer()
        self._level = min(self.size, self._level + (now - self._seen) * self.restore_rate)
        self._seen = now
        return self._level

    def spend(self, points: float) -> None:
        self._level = self.available - points

    def show(self) -> dict[str, Any]:
        return {
            "maximumAvailable": self.size,
            "currentlyAvailable": int(self.available),
            "restoreRate": self.restore_rate,
        }


@dataclass(slots=True)
class Store:
    shop: Shop
    token: str | None
    client: tuple[str, str]
    scopes: frozenset[str]
    domain: str
    versions: tuple[str, ...]
    hides_personal_data: bool
    most_query_cost: int | None
    bucket: Bucket
    webhooks: ShopifyWebhooks
    lists: Lists
    bulk: BulkOperations = field(init=False)
    issued: dict[str, datetime] = field(default_factory=dict)
    """Tokens of the client-credentials grant, with the time at which each ends."""
    is_installed: bool = True

    def find_version(self, asked: str) -> str | None:
        """Versions out of support are served as the oldest that is in it; unheard-of ones not at all."""
        if asked == "unstable" or asked in self.versions:
            return asked
        return self.versions[0] if _VERSION.fullmatch(asked) and asked < self.versions[0] else None

    def knows(self, token: str) -> bool:
        if not self.is_installed:
            return False
        if self.token is not None and token == self.token:
            return True
        return token in self.issued and self.shop.now() < self.issued[token]


def create_app(
    shop: Shop,
    *,
    token: str | None = TOKEN,
    client: tuple[str, str] = ("id", "secret"),
    faults: Faults | None = None,
    api_version: str = "2026-01",
    scopes: Iterable[str] = ALL_SCOPES,
    domain: str = "rise.myshopify.com",
    hides_personal_data: bool = False,
    most_query_cost: int | None = 1000,
    bucket: Bucket | None = None,
    bulk_polls: int = 1,
    bulk_order: Order = "scattered",
    bulk_failures: Iterable[str | None] = (),
    bulk_seed: int = 0,
    webhooks: ShopifyWebhooks | None = None,
) -> Starlette:
    """The shop as an ASGI application; `app.state.store` is what it works with.

    `api_version` is the newest stable one; it and the three before it are supported. Without the scope
    `read_all_orders` only the orders of 60 days are seen. `token` is a permanent one, None where only tokens of the
    client-credentials grant are to work. A bulk operation is over at the poll after `bulk_polls` that found it
    running; `bulk_failures` are error codes for those to come.
    """
    shop.silent_edits = False
    granted = frozenset(scopes)
    store = Store(
        shop=shop,
        token=token,
        client=client,
        scopes=granted,
        domain=domain,
        versions=_list_versions(api_version),
        hides_personal_data=hides_personal_data,
        most_query_cost=most_query_cost,
        bucket=bucket or Bucket(),
        webhooks=webhooks or ShopifyWebhooks(shop, domain=domain, client_secret=client[1], api_version=api_version),
        lists=Lists(shop, "read_all_orders" in granted),
    )
    store.bulk = BulkOperations(
        shop,
        SCHEMA,
        lambda node: list_nodes(store.lists, granted, node),
        polls=bulk_polls,
        order=bulk_order,
        failures=list(bulk_failures),
        seed=bulk_seed,
        on_finish=lambda operation: _tell_finish(store, operation),
    )
    app = Starlette(
        routes=[
            Route("/admin/api/{version}/graphql.json", _Endpoint(store, _answer_query), methods=["POST"]),
            Route("/admin/oauth/access_token", _Endpoint(store, _grant_token), methods=["POST"]),
            Route("/bulk/{number:int}.jsonl", _Endpoint(store, _send_file), methods=["GET"]),
        ],
        middleware=[Middleware(FaultMiddleware, faults=faults)] if faults else [],
    )
    app.state.store = store
    return app


def _list_versions(newest: str) -> tuple[str, ...]:
    year, month = map(int, newest.split("-"))
    months = [year * 12 + month - 1 - back for back in (9, 6, 3, 0)]
    return tuple(f"{each // 12}-{each % 12 + 1:02d}" for each in months)


def _tell_finish(store: Store, operation: Operation) -> None:
    payload = {
        "admin_graphql_api_id": operation.id,
        "completed_at": timestamp(operation.completed_at),
        "created_at": timestamp(operation.created_at),
        "error_code": operation.error_code and operation.error_code.lower(),
        "status": operation.status.lower(),
        "type": "query",
    }
    store.webhooks.push("bulk_operations/finish", payload)


# Requests

Handler = Callable[[Store, Request, Mapping[str, Any]], Response]


class _Endpoint:
    """A handler as an ASGI application, called under the shop's lock with the body it was sent."""

    def __init__(self, store: Store, handler: Handler) -> None:
        self.store = store
        self.handler = handler

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        request = Request(scope, receive)
        body = await _read_body(request)
        with self.store.shop.lock:
            response = self.handler(self.store, request, body)
        response.headers["Date"] = format_datetime(self.store.shop.now(), usegmt=True)
        response.headers["X-Request-ID"] = hashlib.sha256(str(id(request)).encode()).hexdigest()[:32]
        await response(scope, receive, send)


async def _read_body(request: Request) -> Mapping[str, Any]:
    content = await request.body()
    kind = request.headers.get("content-type", "")
    if "graphql" in kind:
        return {"query": content.decode()}
    if "urlencoded" in kind:
        return dict(parse_qsl(content.decode()))
    try:
        found = json.loads(content) if content else {}
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _respond(body: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    content = json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()
    return Response(content, status, headers, "application/json; charset=utf-8")


def _grant_token(store: Store, _: Request, body: Mapping[str, Any]) -> Response:
    if body.get("grant_type") != "client_credentials":
        return _respond({"error": "unsupported_grant_type", "error_description": "Unsupported grant type"}, 400)
    if not store.is_installed or (body.get("client_id"), body.get("client_secret")) != store.client:
        return _respond({"error": "invalid_client", "error_description": "Client authentication failed"}, 400)
    now = store.shop.now()
    token = "shpat_" + hashlib.sha256(f"{store.domain}/{now}/{len(store.issued)}".encode()).hexdigest()[:32]
    store.issued[token] = now + TOKEN_LIFE
    scope = ",".join(sorted(store.scopes))
    expires = int(TOKEN_LIFE.total_seconds())
    return _respond({"access_token": token, "scope": scope, "expires_in": expires})


def _send_file(store: Store, request: Request, _: Mapping[str, Any]) -> Response:
    """Without a token: the address itself is the secret. It ends after a week."""
    content = store.bulk.read_file(int(request.path_params["number"]))
    if content is None:
        return Response(b"<Error><Code>NoSuchKey</Code></Error>", 404, media_type="application/xml")
    return Response(content, media_type="application/jsonl")


def _answer_query(store: Store, request: Request, body: Mapping[str, Any]) -> Response:
    version = store.find_version(request.path_params["version"])
    if version is None:
        return _respond({"errors": "Not Found"}, 404)
    if not store.knows(request.headers.get("x-shopify-access-token", "")):
        return _respond(_UNAUTHORISED, 401)
    query = body.get("query")
    if not isinstance(query, str) or not query.strip():
        return _respond({"errors": {"query": "Required parameter missing or invalid"}}, 400)
    context = _build_context(store, version, str(request.base_url).rstrip("/"))
    variables = body.get("variables") or {}
    answer = _execute(store, context, query, variables, body.get("operationName"))
    return _respond(answer, headers={"X-Shopify-API-Version": version})


def _build_context(store: Store, version: str, base_url: str) -> Context:
    return Context(
        shop=store.shop,
        bulk=store.bulk,
        webhooks=store.webhooks,
        scopes=store.scopes,
        domain=store.domain,
        base_url=base_url,
        api_version=version,
        hides_personal_data=store.hides_personal_data,
        lists=store.lists,
    )


# Queries


def _execute(
    store: Store, context: Context, query: str, variables: Mapping[str, Any], operation_name: str | None
) -> dict[str, Any]:
    try:
        document = parse(query)
    except GraphQLError as error:
        return {"errors": [_show_error(error)]}
    if errors := validate(SCHEMA, document):
        return {"errors": [_show_error(error) for error in errors]}
    operation = _find_operation(document, operation_name)
    if operation is None:
        return {"errors": [{"message": "An operation name is required"}]}
    fragments = {node.name.value: node for node in document.definitions if isinstance(node, FragmentDefinitionNode)}
    cost = Cost(Fields(SCHEMA, fragments), _fill_defaults(operation, variables))
    requested = cost.of_operation(operation)
    if refusal := _refuse(store, requested):
        return refusal
    result = execute_sync(
        SCHEMA,
        document,
        context_value=context,
        variable_values=dict(variables),
        operation_name=operation_name,
        field_resolver=resolve_field,
    )
    actual = requested if result.data is None else cost.of_operation(operation, result.data)
    store.bucket.spend(actual)
    extensions: dict[str, Any] = {"cost": _show_cost(store, requested, actual)}
    if context.search:
        extensions["search"] = context.search
    answer: dict[str, Any] = {"data": result.data, "extensions": extensions}
    if result.errors:
        answer = {"errors": [_show_error(error) for error in result.errors], **answer}
    return answer


def _find_operation(document: DocumentNode, name: str | None) -> OperationDefinitionNode | None:
    found = [node for node in document.definitions if isinstance(node, OperationDefinitionNode)]
    if name is None:
        return found[0] if len(found) == 1 else None
    return next((node for node in found if node.name is not None and node.name.value == name), None)


def _fill_defaults(operation: OperationDefinitionNode, variables: Mapping[str, Any]) -> dict[str, Any]:
    filled = dict(variables)
    for definition in operation.variable_definitions or ():
        name = definition.variable.name.value
        default = getattr(definition.default_value, "value", None)
        if name not in filled and default is not None:
            filled[name] = int(default) if str(default).isdigit() else default
    return filled


def _refuse(store: Store, requested: int) -> dict[str, Any] | None:
    """For a query that may never run, and for one that may not run yet; both with the status 200."""
    most = store.most_query_cost
    if most is not None and requested > most:
        message = (
            f"Query cost is {requested}, which exceeds the single query max cost limit ({most}).\n\n"
            "See https://shopify.dev/concepts/about-apis/rate-limits for more information on how the\n"
            "cost of a query is calculated.\n\nTo query larger amounts of data with fewer limits, bulk operations "
            "should be used instead.\nSee https://shopify.dev/api/usage/bulk-operations/queries for usage details.\n"
        )
        extensions = {"code": "MAX_COST_EXCEEDED", "cost": requested, "maxCost": most, "documentation": _LIMITS}
        return {"errors": [{"message": message, "extensions": extensions}]}
    if requested > store.bucket.available:
        return {
            "errors": [{"message": "Throttled", "extensions": {"code": "THROTTLED", "documentation": _LIMITS}}],
            "extensions": {"cost": _show_cost(store, requested, None)},
        }
    return None


def _show_cost(store: Store, requested: int, actual: int | None) -> dict[str, Any]:
    return {"requestedQueryCost": requested, "actualQueryCost": actual, "throttleStatus": store.bucket.show()}


_UNKNOWN_FIELD = re.compile(r"Cannot query field '(\w+)' on type '(\w+)'")


def _show_error(error: GraphQLError) -> dict[str, Any]:
    """In the words of Shopify's own library where it is known what they are."""
    shown = dict(error.formatted)
    unknown = _UNKNOWN_FIELD.match(error.message)
    if unknown:
        shown["message"] = f"Field '{unknown[1]}' doesn't exist on type '{unknown[2]}'"
        shown["extensions"] = {"code": "undefinedField", "typeName": unknown[2], "fieldName": unknown[1]}
    return shown
