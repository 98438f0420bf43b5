"""Shopify's search syntax: `updated_at:>='2026-01-01T00:00:00Z' AND (status:open OR -test:true)`."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any, Literal
from zoneinfo import ZoneInfo

Test = Callable[[Any], bool]

_TOKEN = re.compile(
    r"""\s*(?:(?P<open>\()|(?P<close>\))|(?P<word>AND|OR|NOT)(?=[\s(]|$)
    |(?P<minus>-)?(?:(?P<field>\w+):)?\s*(?P<sign>>=|<=|>|<|=)?\s*(?P<value>"[^"]*"|'[^']*'|[^\s()]+))""",
    re.VERBOSE,
)


@dataclass(frozen=True, slots=True)
class Searched:
    """A field that can be searched for, and how its values compare."""

    get: Callable[[Any], Any]
    kind: Literal["date", "number", "text", "flag"] = "text"


@dataclass(slots=True)
class Search:
    """A compiled query. Unknown fields and unreadable values are warned of, and otherwise passed over."""

    fields: Mapping[str, Searched]
    zone: ZoneInfo
    warnings: list[dict[str, str]] = field(default_factory=list)
    _tokens: list[re.Match[str]] = field(default_factory=list, init=False)

    def compile(self, query: str) -> Test:
        self._tokens = [match for match in _TOKEN.finditer(query) if match[0].strip()]
        return self._any() if self._tokens else _everything

    def _any(self) -> Test:
        tests = [self._all()]
        while self._tokens and self._tokens[0]["word"] == "OR":
            self._tokens.pop(0)
            tests.append(self._all())
        return tests[0] if len(tests) == 1 else lambda row: any(test(row) for test in tests)

    def _all(self) -> Test:
        tests = []
        while self._tokens and self._tokens[0]["close"] is None and self._tokens[0]["word"] != "OR":
            if self._tokens[0]["word"] == "AND":
                self._tokens.pop(0)
                continue
            tests.append(self._one())
        return tests[0] if len(tests) == 1 else lambda row: all(test(row) for test in tests)

    def _one(self) -> Test:
        token = self._tokens.pop(0)
        if token["word"] == "NOT":
            return _negated(self._one())
        if token["open"]:
            test = self._any()
            if self._tokens:
                self._tokens.pop(0)
            return test
        value = token["value"] or ""
        test = self._compare(token["field"], token["sign"] or "=", value.strip("'\""))
        return _negated(test) if token["minus"] else test

    def _compare(self, name: str | None, sign: str, text: str) -> Test:
        if name is None:
            words = self.fields["default"].get
            return lambda row: text.lower() in str(words(row)).lower()
        searched = self.fields.get(name)
        if searched is None:
            return self._warn(name, "Invalid search field for this query.", "invalid_field")
        try:
            return _comparison(searched, sign, text, self.zone)
        except (ValueError, InvalidOperation):
            return self._warn(name, f"Input `{text}` is not an accepted value.", "invalid_value")

    def _warn(self, name: str, message: str, code: str) -> Test:
        self.warnings.append({"field": name, "message": message, "code": code})
        return _everything


def _everything(_: Any) -> bool:
    return True


def _negated(test: Test) -> Test:
    return lambda row: not test(row)


def _comparison(searched: Searched, sign: str, text: str, zone: ZoneInfo) -> Test:
    match searched.kind:
        case "date":
            return _compare_dates(searched.get, sign, text, zone)
        case "number":
            return _ordered(searched.get, sign, Decimal(text))
        case "flag":
            wanted = text.lower() == "true"
            return lambda row: bool(searched.get(row)) == wanted
    alternatives = [part.strip().lower() for part in text.split(",")]
    return lambda row: any(_is_like(str(searched.get(row) or "").lower(), wanted) for wanted in alternatives)


def _is_like(value: str, wanted: str) -> bool:
    return value.startswith(wanted[:-1]) if wanted.endswith("*") else value == wanted


def _compare_dates(get: Callable[[Any], Any], sign: str, text: str, zone: ZoneInfo) -> Test:
    """In the shop's own time where no zone is said; a day alone is the whole of it."""
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=zone)
    moment = moment.astimezone(UTC)
    if sign == "=" and len(text) == len("2026-01-01"):
        end = moment + timedelta(days=1)
        return lambda row: moment <= get(row) < end
    return _ordered(get, sign, moment)


def _ordered(get: Callable[[Any], Any], sign: str, wanted: Any) -> Test:
    comparisons: dict[str, Test] = {
        ">=": lambda row: get(row) >= wanted,
        "<=": lambda row: get(row) <= wanted,
        ">": lambda row: get(row) > wanted,
        "<": lambda row: get(row) < wanted,
        "=": lambda row: bool(get(row) == wanted),
    }
    return comparisons[sign]
