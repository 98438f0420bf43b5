from typing import Annotated

from fastapi import Depends, Path, Request
from pydantic import StringConstraints

from app.utils.schemas import WEBSITE_PATTERN
from app.websites.vault import Vault


async def get_vault(request: Request) -> Vault:
    vault: Vault = request.app.state.vault
    return vault


VaultDep = Annotated[Vault, Depends(get_vault)]
WebsitePath = Annotated[
    str, StringConstraints(strip_whitespace=True, to_lower=True), Path(pattern=WEBSITE_PATTERN, examples=["sailor"])
]
