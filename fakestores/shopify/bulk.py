"""Bulk operations: a query over everything, run aside, whose result is a file of one node a line."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from io import BytesIO
from random import Random
from typing import Literal

from graphql.type import GraphQLSchema

from fakestores.shop import Shop
from fakestores.shopify.bulk_file import Line, ListRows, scatter, write_lines
from fakestores.shopify.bulk_rules import find_problem
from fakestores.shopify.nodes import Node, gid, timestamp

KEPT = timedelta(days=7)
_RUNNING = ("CREATED", "RUNNING", "CANCELING")

Order = Literal["grouped", "scattered"]


@dataclass(slots=True)
class Operation:
    number: int
    query: str
    created_at: datetime
    group_objects: bool
    status: str = "CREATED"
    looks: int = 0
    error_code: str | None = None
    completed_at: datetime | None = None
    content: bytes = b""
    objects: int = 0
    roots: int = 0
    lines: Iterator[Line] | None = None
    """What is left to write."""
    is_written: bool = False
    file: BytesIO = field(default_factory=BytesIO)
    ends: list[int] = field(default_factory=list)

    @property
    def id(self) -> str:
        return gid("BulkOperation", self.number)

    @property
    def is_running(self) -> bool:
        return self.status in _RUNNING


@dataclass(slots=True)
class BulkOperations:
    """All of a shop's. Each time somebody looks at one it gets on; after `polls` looks that found it running it ends.

    What it then holds is of that moment, unless there is more than a look's `slice_seconds` can write: then it goes on
    running, and the rest is of later looks. `failures` are error codes for the next operations, None for those that
    succeed; of a failed one half of the file is there.
    """

    shop: Shop
    schema: GraphQLSchema
    list_rows: ListRows
    polls: int = 1
    order: Order = "scattered"
    failures: list[str | None] = field(default_factory=list)
    seed: int = 0
    slice_seconds: float = 2.0
    on_finish: Callable[[Operation], None] | None = None
    all: dict[int, Operation] = field(default_factory=dict)

    def start(self, query: str, group_objects: bool, most_at_once: int) -> tuple[Operation | None, list[Node]]:
        """The new operation, or the user errors that keep it from being one."""
        running = [operation for operation in self.all.values() if operation.is_running]
        if len(running) >= most_at_once:
            message = f"A bulk query operation for this app and shop is already in progress: {running[-1].id}."
            return None, [{"field": None, "message": message, "code": "OPERATION_IN_PROGRESS"}]
        problem = find_problem(self.schema, query)
        if problem is not None:
            return None, [{"field": ["query"], "message": problem, "code": "INVALID"}]
        operation = Operation(len(self.all) + 1, query, self.shop.now(), group_objects)
        self.all[operation.number] = operation
        return operation, []

    def look(self, operation: Operation) -> Operation:
        operation.looks += 1
        if operation.status == "CANCELING":
            operation.status = "CANCELED"
        elif operation.status in {"CREATED", "RUNNING"}:
            operation.status = "RUNNING"
            if operation.looks > self.polls and self._write(operation, self.slice_seconds):
                self._finish(operation)
        return operation

    def work(self, seconds: float) -> None:
        """Write on for so long, also while nobody looks."""
        for operation in self.all.values():
            if operation.status == "RUNNING":
                self._write(operation, seconds)
                return

    def cancel(self, operation: Operation) -> str | None:
        """Why it cannot be, where it cannot."""
        if not operation.is_running:
            return f"A bulk operation cannot be canceled when it is {operation.status.lower()}."
        operation.status = "CANCELING"
        return None

    def read_file(self, number: int) -> bytes | None:
        """None for what is not there, or not any more."""
        operation = self.all.get(number)
        is_kept = operation is not None and operation.completed_at is not None
        if operation is None or not is_kept or not operation.content:
            return None
        assert operation.completed_at is not None
        return operation.content if self.shop.now() - operation.completed_at < KEPT else None

    def show(self, operation: Operation, base_url: str) -> Node:
        url = f"{base_url}/bulk/{operation.number}.jsonl" if operation.content else None
        has_failed = operation.status == "FAILED"
        return {
            "__typename": "BulkOperation",
            "id": operation.id,
            "status": operation.status,
            "type": "QUERY",
            "errorCode": operation.error_code,
            "query": operation.query,
            "createdAt": timestamp(operation.created_at),
            "completedAt": timestamp(operation.completed_at),
            "objectCount": str(operation.objects),
            "rootObjectCount": str(operation.roots),
            "fileSize": str(len(operation.content)) if operation.content else None,
            # Of nothing there is no file.
            "url": None if has_failed else url,
            "partialDataUrl": url if has_failed else None,
        }

    def _write(self, operation: Operation, seconds: float) -> bool:
        """Whether all is written."""
        if operation.is_written:
            return True
        if operation.lines is None:
            operation.lines = write_lines(self.schema, operation.query, self.list_rows)
            if self.order == "scattered" and not operation.group_objects:
                random = Random(self.seed + operation.number)  # noqa: S311 - the same file each time
                operation.lines = scatter(operation.lines, random)
        until = time.monotonic() + seconds
        for line in operation.lines:
            operation.file.write(line.text.encode())
            operation.ends.append(operation.file.tell())
            operation.roots += line.parent_id is None
            operation.objects += 1
            if time.monotonic() > until:
                return False
        operation.is_written = True
        return True

    def _finish(self, operation: Operation) -> None:
        operation.error_code = self.failures.pop(0) if self.failures else None
        operation.status = "COMPLETED"
        operation.content = operation.file.getvalue()
        if operation.error_code is not None:
            operation.status = "FAILED"
            operation.objects //= 2
            operation.content = operation.content[: operation.ends[operation.objects - 1] if operation.objects else 0]
        operation.file, operation.lines, operation.ends = BytesIO(), None, []
        operation.completed_at = self.shop.now()
        if self.on_finish is not None:
            self.on_finish(operation)
