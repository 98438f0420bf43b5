"""Asking Shopify's Admin GraphQL API: tokens, points, and its errors in words.

A query costs points, of which a store gives so many a second; what is left stands in every answer. One query is asked
at a time, so that what is left is known exactly, also while several readers of this process read one store.

https://shopify.dev/docs/api/usage/limits
"""

import asyncio
import logging
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from http import HTTPStatus
from typing import Any
from weakref import WeakValueDictionary

import httpx

from app.connectors.base import Payload
from app.connectors.client import Answer, Passing, StoreClient
from app.connectors.errors import StoreConfused, StoreRefused, StoreUnavailable
from app.connectors.pace import TokenBucket

logger = logging.getLogger(__name__)

MOST_COST = 1_000.0
"""The most points that one query may cost."""
# Of the smallest shop, until it tells its own.
_RATE, _SIZE = 50.0, 1_000.0
_ENDS_SOON = 300.0  # seconds

_SCOPE = re.compile(r"\b(?:read|write)_\w+")
_PASSING_CODES = {"INTERNAL_SERVER_ERROR", "SERVICE_UNAVAILABLE", "TIMEOUT"}


class TooCostly(StoreConfused):
    """The query may never run: `cost` is more than the `most` that one may cost."""

    def __init__(self, sentence: str, cost: float, most: float) -> None:
        super().__init__(sentence)
        self.cost, self.most = cost, most


class PointBucket(TokenBucket):
    """A store's points, and whose turn it is to ask it."""

    def __init__(self) -> None:
        super().__init__(_RATE, _SIZE)
        self.turn = asyncio.Lock()
        self._unanswered = 0.0

    async def take(self, cost: float = 1.0) -> None:
        """What was taken for a request that was never answered is there again, as far as anybody knows."""
        self._tokens += self._unanswered
        self._unanswered = 0.0
        await super().take(cost)
        self._unanswered = cost

    def correct(self, tokens: float, *, rate: float, size: float) -> None:
        self._unanswered = 0.0
        super().correct(tokens, rate=rate, size=size)


_BUCKETS: WeakValueDictionary[tuple[int, int, str], PointBucket] = WeakValueDictionary()


def share_bucket(base_url: str, transport: httpx.AsyncBaseTransport | None) -> PointBucket:
    """One for all who read a store at the same time, in one event loop and by one transport."""
    key = (id(asyncio.get_running_loop()), id(transport), base_url)
    found = _BUCKETS.get(key)
    if found is None:
        found = _BUCKETS[key] = PointBucket()
    return found


@dataclass(frozen=True)
class Reply:
    data: Payload
    at: datetime
    version: str | None


@dataclass
class _Token:
    value: str
    ends_at: float
    """By the clock of this process; infinity for one that lasts."""
    has_served: bool = False


@dataclass
class Admin:
    client: StoreClient
    bucket: PointBucket
    credentials: Mapping[str, str]
    version: str
    hides_personal_data: bool = False
    """Whether it has kept names, e-mails or addresses to itself, which it gives to approved apps only."""
    _token: _Token | None = None
    _costs: dict[str, float] = field(default_factory=dict)

    async def ask(self, query: str, variables: Payload | None = None, *, cost: float = MOST_COST) -> Reply:
        """The data of an answer; `cost` serves until the store has told what the query costs.

        Raises TooCostly, StoreRefused where a scope is missing, and StoreConfused for what the store could not do.
        """
        is_broken = False

        async def ask_once() -> Reply:
            nonlocal is_broken
            async with self.bucket.turn:
                answer = await self._post(query, variables or {}, self._costs.get(query, cost))
                payload = self._read(answer)
                self._note_cost(query, payload)
            is_broken = any(_code(error) in _PASSING_CODES for error in _errors(payload))
            self._check(payload)
            return Reply(payload["data"], answer.at, answer.headers.get("x-shopify-api-version"))

        try:
            return await self.client.patiently(ask_once)
        except StoreUnavailable as error:
            # Only this query: the store does answer.
            raise (StoreConfused(str(error)) if is_broken else error) from None

    # Points

    def _note_cost(self, query: str, payload: Payload) -> None:
        found = _dig(payload, "extensions", "cost")
        status = _dig(found, "throttleStatus")
        if requested := found.get("requestedQueryCost"):
            self._costs[query] = float(requested)
        if {"currentlyAvailable", "restoreRate", "maximumAvailable"} <= status.keys():
            self.bucket.correct(
                float(status["currentlyAvailable"]),
                rate=max(float(status["restoreRate"]), 1.0),
                size=float(status["maximumAvailable"]),
            )

    def _find_wait(self, payload: Payload) -> float | None:
        """How long until the points that were missing are there; None where the answer does not tell."""
        found = _dig(payload, "extensions", "cost")
        status = _dig(found, "throttleStatus")
        try:
            missing = float(found["requestedQueryCost"]) - float(status["currentlyAvailable"])
            return max(missing, 0.0) / float(status["restoreRate"])
        except (KeyError, TypeError, ValueError, ZeroDivisionError):
            return None

    # Tokens

    async def _post(self, query: str, variables: Payload, cost: float) -> Answer:
        token = await self._find_token()
        answer = await self._send(query, variables, cost, token)
        if answer.status == HTTPStatus.UNAUTHORIZED and token.has_served and "client_id" in self.credentials:
            self._token = None
            token = await self._find_token()
            answer = await self._send(query, variables, cost, token)
        token.has_served = answer.status != HTTPStatus.UNAUTHORIZED
        return answer

    async def _send(self, query: str, variables: Payload, cost: float, token: _Token) -> Answer:
        return await self.client.ask(
            "POST",
            f"admin/api/{self.version}/graphql.json",
            json={"query": query, "variables": variables},
            headers={"X-Shopify-Access-Token": token.value},
            cost=cost,
        )

    async def _find_token(self) -> _Token:
        if self._token is None or self._token.ends_at - time.monotonic() < _ENDS_SOON:
            self._token = await self._grant() if "client_id" in self.credentials else self._take_lasting()
        return self._token

    def _take_lasting(self) -> _Token:
        return _Token(self.credentials["access_token"], float("inf"))

    async def _grant(self) -> _Token:
        host = self.client.host
        wanted = {
            "grant_type": "client_credentials",
            "client_id": self.credentials["client_id"],
            "client_secret": self.credentials["client_secret"],
        }
        answer = await self.client.ask("POST", "admin/oauth/access_token", json=wanted, cost=0.0)
        found = answer.payload if isinstance(answer.payload, dict) else {}
        if answer.status == HTTPStatus.NOT_FOUND:
            raise StoreConfused(f"{host} has no Shopify store: give the address that ends with .myshopify.com.")
        if answer.status != HTTPStatus.OK or not found.get("access_token"):
            said = _cut(found.get("error_description") or found.get("error") or f"status {answer.status}")
            raise StoreRefused(
                f"{host} gives no token for the client id and secret ({said}). Take both from the app's settings in "
                "the Dev Dashboard, and install the app on this store, which has to be of the same organisation."
            )
        try:
            lasts = float(found.get("expires_in") or 0) or float("inf")
        except (TypeError, ValueError):
            lasts = float("inf")
        return _Token(str(found["access_token"]), time.monotonic() + lasts)

    # Errors

    def _read(self, answer: Answer) -> Payload:
        host, payload = self.client.host, answer.payload
        said = _cut(payload.get("errors", "")) if isinstance(payload, dict) else ""
        match answer.status:
            case HTTPStatus.OK if isinstance(payload, dict):
                return payload
            case HTTPStatus.UNAUTHORIZED:
                raise StoreRefused(
                    f"{host} does not accept the access token ({said}). Is the app still installed there?"
                )
            case HTTPStatus.PAYMENT_REQUIRED | HTTPStatus.FORBIDDEN | HTTPStatus.LOCKED:
                raise StoreRefused(
                    f"{host} is closed to us ({answer.status}{f': {said}' if said else ''}): the store is frozen, "
                    "locked, or keeps this app out."
                )
            case HTTPStatus.NOT_FOUND:
                raise StoreConfused(
                    f"{host} has no Admin API {self.version}: this is no Shopify store, whose address ends with "
                    ".myshopify.com, or it does not know that version."
                )
        raise StoreConfused(f"{host} answered {answer.status}: {said or 'without a reason'}.")

    def _check(self, payload: Payload) -> None:
        """Raises for what is wrong in an answer, unless nothing but personal data was kept back."""
        host, errors, data = self.client.host, _errors(payload), payload.get("data")
        by_code = {_code(error): error for error in reversed(errors)}
        if "THROTTLED" in by_code:
            raise Passing(f"{host} is asked faster than it allows", self._find_wait(payload))
        if error := by_code.get("MAX_COST_EXCEEDED"):
            told = _dig(error, "extensions")
            cost, most = float(told.get("cost") or 2 * MOST_COST), float(told.get("maxCost") or MOST_COST)
            raise TooCostly(f"{host} finds a query too large ({cost:g} points of {most:g}).", cost, most)
        if denied := [error for error in errors if _code(error) == "ACCESS_DENIED"]:
            self._check_access(denied, data)
        if broken := next((error for code, error in by_code.items() if code in _PASSING_CODES), None):
            raise Passing(f"{host} failed within ({_cut(broken.get('message'))})")
        if others := [error for error in errors if _code(error) != "ACCESS_DENIED"]:
            raise StoreConfused(f"{host} does not understand the query: {_cut(others[0].get('message'))}")
        if not isinstance(data, dict):
            raise StoreConfused(f"{host} answered without data, which no Admin API does.")
        # A filter that is not understood is passed over, and all there is would be taken for what was asked for.
        if warned := _dig(payload, "extensions").get("search"):
            raise StoreConfused(f"{host} does not understand what to look for: {_cut(warned)}")

    def _check_access(self, denied: list[Payload], data: Any) -> None:
        wanted = " ".join(str(_dig(error, "extensions").get("requiredAccess") or "") for error in denied)
        if scopes := sorted(set(_SCOPE.findall(wanted))):
            raise StoreRefused(name_missing_scopes(self.client.host, scopes))
        if not isinstance(data, dict) or None in data.values():
            raise StoreRefused(
                f"{self.client.host} does not let the app read this: {_cut(denied[0].get('message'))} Ask for access "
                "to protected customer data in the app's settings."
            )
        if not self.hides_personal_data:
            self.hides_personal_data = True
            logger.warning("%s keeps personal data back: %s", self.client.host, _cut(denied[0].get("message")))


def name_missing_scopes(host: str, scopes: list[str]) -> str:
    which = "scope" if len(scopes) == 1 else "scopes"
    hint = ""
    if "read_orders" in scopes:
        hint = " Without read_all_orders beside it, only the orders of the last 60 days can be seen."
    return f"{host} lets the app read less than is needed: give it the {which} {', '.join(scopes)}.{hint}"


def _errors(payload: Payload) -> list[Payload]:
    found = payload.get("errors")
    if isinstance(found, list):
        return [error for error in found if isinstance(error, dict)]
    return [{"message": str(found)}] if found else []


def _code(error: Payload) -> str:
    return str(_dig(error, "extensions").get("code") or "")


def _dig(payload: Any, *names: str) -> Payload:
    """The object at the end of this path; empty where there is none."""
    for name in names:
        payload = payload.get(name) if isinstance(payload, dict) else None
    return payload if isinstance(payload, dict) else {}


def _cut(said: Any) -> str:
    return " ".join(str(said or "").split())[:200]
