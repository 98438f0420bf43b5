"""`/websites`: the websites that records come from, and the stores that are followed."""

from fastapi import APIRouter, Depends, Response

from app.auth.dependencies import get_current_admin
from app.database import ReadSessionDep, SessionDep
from app.utils.errors import responses
from app.websites import service
from app.websites.dependencies import VaultDep, WebsitePath
from app.websites.models import Website
from app.websites.schemas import CredentialsUpdate, WebsiteCreate, WebsiteRead, WebsiteUpdate

router = APIRouter(
    prefix="/websites", tags=["websites"], dependencies=[Depends(get_current_admin)], responses=responses(401, 422)
)


@router.post("", response_model=WebsiteRead, status_code=201, responses=responses(409))
async def create_website(body: WebsiteCreate, vault: VaultDep, response: Response, session: SessionDep) -> Website:
    """Register a store to be followed. Its credentials are sealed, and never shown again.

    The store is not asked yet: `POST /websites/{name}/test` does that, and the first reading follows by itself.
    """
    website = await service.register_website(session, vault, body)
    response.headers["Location"] = f"/api/v1/websites/{website.name}"
    return website


@router.get("", response_model=list[WebsiteRead])
async def list_websites(session: ReadSessionDep) -> list[Website]:
    """Every website that records came from, by name; those with a `platform` are registered stores."""
    return await service.list_websites(session)


@router.get("/{name}", response_model=WebsiteRead, responses=responses(404))
async def get_website(name: WebsitePath, session: ReadSessionDep) -> Website:
    """One website."""
    return await service.get_website(session, name)


@router.put("/{name}", response_model=WebsiteRead, responses=responses(404, 409))
@router.patch("/{name}", response_model=WebsiteRead, responses=responses(404, 409))
async def update_website(name: WebsitePath, body: WebsiteUpdate, session: SessionDep) -> Website:
    """Change the fields that the body holds; PUT and PATCH are the same. `is_active: true` follows it again."""
    return await service.update_website(session, name, body)


@router.put("/{name}/credentials", response_model=WebsiteRead, responses=responses(404, 409))
async def rotate_credentials(
    name: WebsitePath, body: CredentialsUpdate, vault: VaultDep, session: SessionDep
) -> Website:
    """Replace the key that the store is read with, or the secret that its webhooks are signed with."""
    return await service.rotate_credentials(session, vault, name, body)


@router.delete("/{name}", status_code=204, responses=responses(404, 409))
async def deactivate_website(name: WebsitePath, session: SessionDep) -> None:
    """Follow the store no longer; what came from it stays. Doing it again is 204 too."""
    await service.deactivate_website(session, name)
