"""Logging and request ids: readable lines in development, one JSON object a line in production."""

import logging
import logging.config
import re
import sys
import time
from uuid import uuid4

from pythonjsonlogger.core import RESERVED_ATTRS
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.config import Environment
from app.utils.request_id import request_id

_ACCEPTED_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
access_logger = logging.getLogger("app.access")


class _AddRequestId(logging.Filter):
    def filter(self, record: logging.LogRecord) -> bool:
        record.request_id = request_id.get() or "-"
        return True


def configure_logging(environment: Environment, level: str = "INFO") -> None:
    readable = environment is Environment.DEVELOPMENT
    formatters = {
        "readable": {"format": "%(asctime)s %(levelname)-7s %(name)s [%(request_id)s] %(message)s"},
        "json": {
            "()": "pythonjsonlogger.json.JsonFormatter",
            "format": "%(asctime)s %(levelname)s %(name)s %(request_id)s %(message)s",
            "reserved_attrs": [*RESERVED_ATTRS, "color_message"],  # uvicorn's, with escape codes for a terminal
            "rename_fields": {"asctime": "time", "levelname": "level", "name": "logger"},
        },
    }
    logging.config.dictConfig(
        {
            "version": 1,
            "disable_existing_loggers": False,
            "filters": {"request_id": {"()": _AddRequestId}},
            "formatters": formatters,
            "handlers": {
                "stderr": {
                    "class": "logging.StreamHandler",
                    "stream": sys.stderr,
                    "formatter": "readable" if readable else "json",
                    "filters": ["request_id"],
                }
            },
            "root": {"handlers": ["stderr"], "level": level},
            "loggers": {
                # Each job's start and end would be two lines a minute of an idle server.
                "procrastinate": {"level": "WARNING"},
                "alembic": {"level": "WARNING"},
                # They write the addresses that are asked, and some stores want their keys in those.
                "httpx": {"level": "WARNING"},
                "httpcore": {"level": "WARNING"},
                "stamina": {"level": "ERROR"},
                # Our own access line carries the request id and the duration.
                "uvicorn.access": {"level": "WARNING"},
            },
        }
    )


class RequestIdMiddleware:
    """Takes a well-formed `X-Request-ID` or makes one, answers with it, and logs each request with its duration."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        given = Headers(scope=scope).get("x-request-id", "")
        this_id = given if _ACCEPTED_ID.fullmatch(given) else uuid4().hex
        token = request_id.set(this_id)
        started = time.perf_counter()
        status = 500
        is_answered = False

        async def send_with_id(message: Message) -> None:
            nonlocal status, is_answered
            if message["type"] == "http.response.start":
                status = message["status"]
                MutableHeaders(scope=message)["X-Request-ID"] = this_id
            await send(message)
            is_answered = message["type"] == "http.response.body" and not message.get("more_body", False)

        try:
            await self.app(scope, receive, send_with_id)
        except Exception:
            access_logger.exception("%s %s failed", scope["method"], scope["path"])
            if not is_answered:  # the server has to break the connection off
                raise
        finally:
            duration = (time.perf_counter() - started) * 1000
            access_logger.info("%s %s %d %.1f ms", scope["method"], scope["path"], status, duration)
            request_id.reset(token)
