"""The id of the request at hand, for logs and error answers; None outside a request."""

from contextvars import ContextVar

request_id: ContextVar[str | None] = ContextVar("request_id", default=None)
