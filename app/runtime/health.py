"""`/healthz`: the process is alive. `/readyz`: it can do its work."""

from fastapi import APIRouter, Request
from sqlalchemy.exc import SQLAlchemyError

from app.database import DatabaseDep
from app.runtime.migrations import current_revision
from app.utils.errors import ServiceUnavailable, responses

router = APIRouter(tags=["health"])


@router.get("/healthz")
async def check_alive() -> dict[str, str]:
    """The process answers."""
    return {"status": "ok"}


@router.get("/readyz", responses=responses(503))
async def check_ready(request: Request, database: DatabaseDep) -> dict[str, str]:
    """The database answers and its migrations are at head."""
    head: str = request.app.state.head_revision
    try:
        async with database.engine.connect() as connection:
            found = await connection.run_sync(current_revision)
    except (SQLAlchemyError, OSError):
        raise ServiceUnavailable("The database does not answer.") from None
    if found != head:
        raise ServiceUnavailable(f"The database stands at revision {found}, the program needs {head}.")
    return {"status": "ok", "revision": head}
