"""What a bulk query may be: connections at its root, few of them, not deep, and none within a list."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    GraphQLError,
    OperationDefinitionNode,
    parse,
    validate,
)
from graphql.type import GraphQLList, GraphQLNonNull, GraphQLSchema

from fakestores.shopify.cost import Composite, Fields, is_connection

MOST_CONNECTIONS = 5
MOST_DEPTH = 2


def find_problem(schema: GraphQLSchema, query: str) -> str | None:
    """Why the query cannot be run in bulk, in the words of a user error."""
    try:
        document = parse(query)
    except GraphQLError as error:
        return f"Invalid bulk query: {error.message}"
    if errors := validate(schema, document):
        return f"Invalid bulk query: {errors[0].message}"
    operations = [node for node in document.definitions if isinstance(node, OperationDefinitionNode)]
    if len(operations) != 1 or operations[0].operation.value != "query":
        return "Invalid bulk query: it has to be one query."
    assert schema.query_type is not None
    return _Rules(Fields(schema, find_fragments(document))).check(schema.query_type, operations[0])


def find_operation(document: DocumentNode) -> OperationDefinitionNode:
    return next(node for node in document.definitions if isinstance(node, OperationDefinitionNode))


def find_fragments(document: DocumentNode) -> dict[str, FragmentDefinitionNode]:
    return {node.name.value: node for node in document.definitions if isinstance(node, FragmentDefinitionNode)}


@dataclass(slots=True)
class _Rules:
    fields: Fields
    connections: int = 0
    depth: int = 0

    def check(self, root: Composite, operation: OperationDefinitionNode) -> str | None:
        for owner, node in self.fields.walk(root, operation.selection_set):
            type_ = self.fields.type_of(owner, node)
            if type_ is None or not is_connection(type_) or node.name.value.endswith("Operations"):
                return f"Bulk queries may only have connections at their root, not {node.name.value}."
            if problem := self._check(type_, node, 0):
                return problem
        if not self.connections:
            return "Bulk queries must contain at least one connection."
        if self.connections > MOST_CONNECTIONS:
            return f"Bulk queries cannot contain more than {MOST_CONNECTIONS} connections."
        if self.depth > MOST_DEPTH:
            return f"Bulk queries cannot contain connections with a nesting depth greater than {MOST_DEPTH}."
        return None

    def _check(self, type_: Composite, node: FieldNode, depth: int) -> str | None:
        """Of a connection and what is below it; its own nesting counts from zero."""
        self.connections += 1
        self.depth = max(self.depth, depth)
        owner, inner = find_node(self.fields, type_, node)
        below = list(self._walk_below(owner, inner, in_list=False))
        has_id = any(
            field_node.name.value == "id" and field_node.alias is None
            for _, field_node in self.fields.walk(owner, inner.selection_set)
        )
        for child_type, child, in_list in below:
            if in_list:
                return "Queries that contain a connection field within a list field are not supported."
            if not has_id:
                return (
                    "The parent 'node' field for a nested connection must select the 'id' field without an alias and "
                    f"must be of 'ID' return type. Connection fields without 'id': {node.name.value}."
                )
            if problem := self._check(child_type, child, depth + 1):
                return problem
        return None

    def _walk_below(
        self, owner: Composite, node: FieldNode, *, in_list: bool
    ) -> Iterator[tuple[Composite, FieldNode, bool]]:
        for parent, child in self.fields.walk(owner, node.selection_set):
            type_ = self.fields.type_of(parent, child)
            if type_ is None:
                continue
            if is_connection(type_):
                yield type_, child, in_list
            else:
                listed = in_list or _is_list(parent.fields[child.name.value].type)
                yield from self._walk_below(type_, child, in_list=listed)


def _is_list(type_: Any) -> bool:
    return isinstance(type_.of_type if isinstance(type_, GraphQLNonNull) else type_, GraphQLList)


def find_node(fields: Fields, connection: Composite, node: FieldNode) -> tuple[Composite, FieldNode]:
    """The selection of a connection's nodes, be it under `nodes` or under `edges { node }`."""
    for owner, inner in fields.walk(connection, node.selection_set):
        type_ = fields.type_of(owner, inner)
        if type_ is None:
            continue
        if inner.name.value == "nodes":
            return type_, inner
        if inner.name.value == "edges":
            for edge, deeper in fields.walk(type_, inner.selection_set):
                found = fields.type_of(edge, deeper)
                if found is not None:
                    return found, deeper
    return connection, FieldNode(name=node.name)
