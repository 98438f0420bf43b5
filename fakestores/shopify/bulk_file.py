"""The file of a bulk operation: one node a line, those of nested connections below the ones they belong to."""

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from heapq import heappop, heappush
from random import Random

from graphql import FieldNode, parse
from graphql.type import GraphQLSchema

from fakestores.shopify.bulk_rules import find_fragments, find_node, find_operation
from fakestores.shopify.cost import Composite, Fields, is_connection
from fakestores.shopify.nodes import Node

ListRows = Callable[[FieldNode], Iterable[Node]]
"""The nodes of a connection at the root of the query, by its own arguments."""


@dataclass(frozen=True, slots=True)
class Line:
    text: str
    id: str
    parent_id: str | None


def write_lines(schema: GraphQLSchema, query: str, list_rows: ListRows) -> Iterator[Line]:
    """Children right below their parents."""
    document = parse(query)
    fields = Fields(schema, find_fragments(document))
    assert schema.query_type is not None
    for owner, field_node in fields.walk(schema.query_type, find_operation(document).selection_set):
        type_ = fields.type_of(owner, field_node)
        assert type_ is not None
        plan = _plan(fields, *find_node(fields, type_, field_node))
        for row in list_rows(field_node):
            yield from _write_node(plan, row, None)


@dataclass(frozen=True, slots=True)
class _Step:
    """A field of a selection: what it is called, what is under it, and of which type alone it is asked for."""

    alias: str
    name: str
    on: str
    below: "list[_Step] | None"
    is_connection: bool


def _plan(fields: Fields, type_: Composite, node: FieldNode) -> list[_Step]:
    """A selection, worked out once for all the rows it is applied to."""
    steps = []
    for owner, inner in fields.walk(type_, node.selection_set):
        name, found = inner.name.value, fields.type_of(owner, inner)
        alias = inner.alias.value if inner.alias else name
        on = "" if owner is type_ or owner.name == type_.name else owner.name
        if found is None:
            steps.append(_Step(alias, name, on, None, is_connection=False))
        elif is_connection(found):
            steps.append(_Step(alias, name, on, _plan(fields, *find_node(fields, found, inner)), is_connection=True))
        else:
            steps.append(_Step(alias, name, on, _plan(fields, found, inner), is_connection=False))
    return steps


def _write_node(plan: list[_Step], row: Node, parent_id: str | None) -> Iterator[Line]:
    """The line of a row, and below it those of its connections."""
    children: list[tuple[list[_Step], Node, str]] = []
    line = _project(plan, row, children)
    if parent_id is not None:
        line["__parentId"] = parent_id
    yield Line(_encode(line) + "\n", line.get("id", ""), parent_id)
    for below, child, owner_id in children:
        yield from _write_node(below, child, owner_id)


def _project(plan: list[_Step], row: Node, children: list[tuple[list[_Step], Node, str]]) -> Node:
    line: Node = {}
    for step in plan:
        if step.on and row.get("__typename") != step.on:
            continue
        value = row.get(step.name)
        if callable(value):
            value = value()
        below = step.below
        if step.is_connection and below is not None:
            children += [(below, child, row["id"]) for child in value or ()]
            continue
        if below is not None and isinstance(value, list):
            value = [_project(below, each, children) for each in value]
        elif below is not None and value is not None:
            value = _project(below, value, children)
        line[step.alias] = value
    return line


def scatter(lines: Iterable[Line], random: Random) -> Iterator[Line]:
    """Children anywhere below their parents, rather near, as they come when nobody asked for them to be grouped."""
    waiting: list[tuple[float, int, Line]] = []
    places: dict[str, float] = {}
    for number, line in enumerate(lines):
        if line.parent_id is None:
            while waiting and waiting[0][0] <= number:
                yield heappop(waiting)[2]
            places.clear()
            place = float(number)
            yield line
        else:
            place = places[line.parent_id] + random.expovariate(0.05)
            heappush(waiting, (place, number, line))
        places[line.id] = place
    while waiting:
        yield heappop(waiting)[2]


_ENCODER = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))


def _encode(line: Node) -> str:
    return _ENCODER.encode(line).replace("/", "\\/")
