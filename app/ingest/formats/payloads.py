"""Reading JSON payloads whose parts may be missing, null, or something else than expected."""

from typing import Any

from app.ingest import values

Payload = dict[str, Any]


def objects(payload: Payload, name: str) -> list[Payload]:
    """The objects in the list of that name; empty where it is no list."""
    found = payload.get(name)
    return [item for item in found if isinstance(item, dict)] if isinstance(found, list) else []


def nested(payload: Payload, name: str) -> Payload:
    """The object of that name; empty where it is none."""
    found = payload.get(name)
    return found if isinstance(found, dict) else {}


def first_text(*candidates: Any) -> str:
    """The first that is not blank, else ''."""
    return next((found for each in candidates if (found := values.text(each))), "")
