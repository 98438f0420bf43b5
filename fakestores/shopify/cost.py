"""What a query costs: nothing for a scalar, one for an object, two and its objects for a connection.

Shopify publishes the rule for these; how single fields depart from it is known to nobody else.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from graphql import (
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLInt,
    GraphQLSchema,
    InlineFragmentNode,
    OperationDefinitionNode,
    OperationType,
    SelectionSetNode,
    get_named_type,
    value_from_ast,
)
from graphql.type import GraphQLInterfaceType, GraphQLObjectType

_MUTATION = 10
_FREE = frozenset({"PageInfo"})
_MISSING = object()

Composite = GraphQLObjectType | GraphQLInterfaceType


@dataclass(frozen=True, slots=True)
class Fields:
    """The fields of selections, with fragments unfolded, each with the type it is selected on."""

    schema: GraphQLSchema
    fragments: Mapping[str, FragmentDefinitionNode]

    def walk(self, parent: Composite, selections: SelectionSetNode | None) -> Iterator[tuple[Composite, FieldNode]]:
        for selection in selections.selections if selections else ():
            match selection:
                case FieldNode():
                    yield parent, selection
                case InlineFragmentNode(type_condition=condition):
                    yield from self.walk(self._on(condition, parent), selection.selection_set)
                case FragmentSpreadNode():
                    fragment = self.fragments[selection.name.value]
                    yield from self.walk(self._on(fragment.type_condition, parent), fragment.selection_set)

    def _on(self, condition: Any, parent: Composite) -> Composite:
        found = self.schema.type_map[condition.name.value] if condition else parent
        return found if isinstance(found, GraphQLObjectType | GraphQLInterfaceType) else parent

    def type_of(self, parent: Composite, node: FieldNode) -> Composite | None:
        """None for what has no fields of its own."""
        if node.name.value.startswith("__"):
            return None
        named = get_named_type(parent.fields[node.name.value].type)
        return named if isinstance(named, GraphQLObjectType | GraphQLInterfaceType) else None


def is_connection(type_: Composite | None) -> bool:
    return type_ is not None and type_.name.endswith("Connection")


@dataclass(frozen=True, slots=True)
class Cost:
    fields: Fields
    variables: Mapping[str, Any]

    def of_operation(self, operation: OperationDefinitionNode, data: Any = _MISSING) -> int:
        """As requested; or, with the answer's data, as it turned out to be."""
        schema = self.fields.schema
        is_mutation = operation.operation is OperationType.MUTATION
        root = schema.mutation_type if is_mutation else schema.query_type
        assert root is not None
        return self._of_selections(root, operation.selection_set, data) + (_MUTATION if is_mutation else 0)

    def _of_selections(self, parent: Composite, selections: SelectionSetNode | None, data: Any) -> int:
        return sum(self._of_field(owner, node, data) for owner, node in self.fields.walk(parent, selections))

    def _of_field(self, parent: Composite, node: FieldNode, data: Any) -> int:
        type_ = self.fields.type_of(parent, node)
        if type_ is None or type_.name in _FREE:
            return 0
        found = _get(data, node)
        if found is None:
            return 0
        if is_connection(type_):
            return self._of_connection(type_, node, found)
        if isinstance(found, list):
            return sum(1 + self._of_selections(type_, node.selection_set, row) for row in found if row is not None)
        return 1 + self._of_selections(type_, node.selection_set, found)

    def _of_connection(self, type_: Composite, node: FieldNode, found: Any) -> int:
        """Whether its objects are asked for as edges or as nodes, they are paid for once."""
        total, most = 0, 0
        for owner, inner in self.fields.walk(type_, node.selection_set):
            if inner.name.value not in {"nodes", "edges"}:
                continue
            rows = _get(found, inner)
            named = self.fields.type_of(owner, inner)
            assert named is not None
            if rows is _MISSING:
                one = self._of_row(named, inner, _MISSING)
                total += self.count_wanted(node) * one
                most = self.count_wanted(node)
            else:
                total += sum(self._of_row(named, inner, row) for row in rows)
                most = len(rows)
        return 2 + total + (0 if total else most)

    def _of_row(self, type_: Composite, node: FieldNode, row: Any) -> int:
        if not type_.name.endswith("Edge"):
            return 1 + self._of_selections(type_, node.selection_set, row)
        return self._of_selections(type_, node.selection_set, row) or 1

    def count_wanted(self, node: FieldNode) -> int:
        for argument in node.arguments or ():
            if argument.name.value in {"first", "last"}:
                value = value_from_ast(argument.value, GraphQLInt, dict(self.variables))
                return int(value) if isinstance(value, int) else 0
        return 0


def _get(data: Any, node: FieldNode) -> Any:
    if data is _MISSING or not isinstance(data, dict):
        return _MISSING if data is _MISSING else None
    return data.get(node.alias.value if node.alias else node.name.value)
