"""What a consumer may ask for: everything that is kept of them, and to be forgotten."""

from typing import Any

from fastapi import APIRouter, Depends

from app.auth.dependencies import get_current_admin
from app.database import ReadSessionDep, SessionDep
from app.privacy import service
from app.privacy.schemas import ErasureRead, UserExport
from app.utils.errors import responses
from app.utils.schemas import PathId

router = APIRouter(
    prefix="/users", tags=["privacy"], dependencies=[Depends(get_current_admin)], responses=responses(401, 422)
)


@router.get("/{user_id}/export", response_model=UserExport, responses=responses(404))
async def export_user(user_id: PathId, session: ReadSessionDep) -> dict[str, Any]:
    """Everything that is kept of a consumer, for them to have: also what each website said, and raw payloads."""
    return await service.export_user(session, user_id)


@router.post("/{user_id}/erase", response_model=ErasureRead, responses=responses(404, 409))
async def erase_user(user_id: PathId, session: SessionDep) -> dict[str, Any]:
    """Forget who a consumer is, for good. Their orders stay, with their money and nobody's name.

    When their records come again from any website, they bring nothing of the person back.
    """
    return await service.erase_user(session, user_id)
