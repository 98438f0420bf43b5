"""The stores that are followed: added, asked, read now, and how complete what is here is."""

import json
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import replace
from typing import Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette_admin.flash import flash
from starlette_admin.routing import route

from app.connectors.base import RESOURCES
from app.console.pages.page import Page, acting, database_of, reading, see
from app.ingest.models import UNFINISHED, Import, ImportOrigin
from app.ingest.watch import follow_import
from app.sync import completeness, jobs, stores
from app.sync.platforms import SyncContext
from app.utils.errors import AppError, Conflict, Unprocessable
from app.websites import service
from app.websites.models import Platform, Website
from app.websites.schemas import CredentialsUpdate, WebsiteCreate, WebsiteUpdate

RUNS_SHOWN = 10
MODES = {"changes": "Read changes", "everything": "Read everything", "sweep": "Compare with the store"}
_KEYS = {
    Platform.WOOCOMMERCE: ("consumer_key", "consumer_secret"),
    Platform.SHOPIFY: ("client_id", "client_secret", "access_token"),
}


class StoresPage(Page):
    heading = "Stores"
    menu_label = "Stores"
    icon = "fa fa-store"
    path = "/stores"

    @route("")
    async def index(self, request: Request) -> Response:
        async with reading(request) as session:
            websites = await service.list_websites(session)
            verdicts = {website.name: await _find_verdict(session, website) for website in websites}
        return self.render(request, "stores.html", websites=websites, verdicts=verdicts)

    @route("/add", methods=["POST"])
    async def add(self, request: Request) -> Response:
        form = {name: str(value).strip() for name, value in (await request.form()).items()}
        there = ""
        async with acting(request, "The store was added. Ask it whether the keys do.") as session:
            data = WebsiteCreate.model_validate(_read_store(form))
            website = await service.register_website(session, request.app.state.vault, data)
            there = f"/{website.name}"
        return see(self.url(request, there))

    @route("/{name}")
    async def show(self, request: Request) -> Response:
        name = request.path_params["name"]
        async with reading(request) as session:
            website = await service.get_website(session, name)
            context: dict[str, Any] = {"website": website, "runs": await _list_runs(session, name)}
            if website.platform is not None:
                context |= {
                    "status": await completeness.describe_status(session, name),
                    "completeness": await completeness.describe_completeness(session, name),
                    "keys": _KEYS[Platform(website.platform)],
                    "webhooks": f"{request.url.scheme}://{request.url.netloc}/api/v1/webhooks/{name}",
                }
        return self.render(request, "store.html", modes=MODES, unfinished=UNFINISHED, **context)

    @route("/{name}/test", methods=["POST"])
    async def test(self, request: Request) -> Response:
        name = request.path_params["name"]
        sync: SyncContext = request.app.state.sync
        try:
            told = await stores.check_store(replace(sync, database=database_of(request)), name)
        except AppError as error:
            flash(request, error.detail, "error")
        else:
            flash(request, _describe_test(told), "success" if told["ok"] else "error")
        return see(self.url(request, f"/{name}"))

    @route("/{name}/sync", methods=["POST"])
    async def sync(self, request: Request) -> Response:
        name = request.path_params["name"]
        mode = str((await request.form()).get("mode", "changes"))
        async with acting(request, "The store is being read.") as session:
            if mode not in MODES:
                raise Conflict("There is no such way to read a store.")
            await jobs.start_runs(session, name, mode, RESOURCES)  # type: ignore[arg-type]
        return see(self.url(request, f"/{name}"))

    @route("/{name}/settings", methods=["POST"])
    async def change(self, request: Request) -> Response:
        name = request.path_params["name"]
        form = {key: str(value).strip() or None for key, value in (await request.form()).items()}
        async with acting(request, "Saved.") as session:
            changes: dict[str, Any] = {key: form.get(key) for key in ("schedule", "reconcile_schedule")}
            changes["base_url"] = form.get("base_url")
            changes["status_map"] = _read_pairs(form.get("status_map") or "")
            await service.update_website(session, name, WebsiteUpdate.model_validate(changes))
        return see(self.url(request, f"/{name}"))

    @route("/{name}/keys", methods=["POST"])
    async def rotate(self, request: Request) -> Response:
        name = request.path_params["name"]
        form = {key: str(value).strip() for key, value in (await request.form()).items()}
        async with acting(request, "The keys were replaced.") as session:
            website = await service.get_store(session, name)
            keys = {key: form[key] for key in _KEYS[Platform(str(website.platform))] if form.get(key)}
            given = {"credentials": keys or None, "webhook_secret": form.get("webhook_secret") or None}
            data = CredentialsUpdate.model_validate(given)
            await service.rotate_credentials(session, request.app.state.vault, name, data)
        return see(self.url(request, f"/{name}"))

    @route("/{name}/active", methods=["POST"])
    async def activate(self, request: Request) -> Response:
        name = request.path_params["name"]
        wanted = (await request.form()).get("is_active") == "true"
        async with acting(request, "It is followed again." if wanted else "It is followed no longer.") as session:
            if wanted:
                await service.update_website(session, name, WebsiteUpdate(is_active=True))
            else:
                await service.deactivate_website(session, name)
        return see(self.url(request, f"/{name}"))

    @route("/runs/{import_id:int}/events")
    async def events(self, request: Request) -> Response:
        async def follow() -> AsyncIterator[str]:
            async for job, has_ended in follow_import(database_of(request), request.path_params["import_id"]):
                sync = job.details.get("sync") or {}
                told = {
                    "status": job.status,
                    "done": job.merged_up_to,
                    "of": sync.get("expected"),
                    "read": job.records_read,
                }
                yield f"event: {'end' if has_ended else 'progress'}\ndata: {json.dumps(told)}\n\n"

        return StreamingResponse(follow(), media_type="text/event-stream")


async def _find_verdict(session: AsyncSession, website: Website) -> str:
    with suppress(AppError):
        return str((await completeness.describe_completeness(session, website.name))["verdict"])
    return "read from files"


async def _list_runs(session: AsyncSession, name: str) -> list[Import]:
    of_store = select(Import).where(Import.source_website == name, Import.origin != ImportOrigin.FILE)
    return list(await session.scalars(of_store.order_by(Import.id.desc()).limit(RUNS_SHOWN)))


def _read_store(form: dict[str, str]) -> dict[str, Any]:
    """Raises Unprocessable without keys: which ones a platform has, its list of choices cannot tell."""
    known = form.get("platform", "")
    keys = _KEYS[Platform(known)] if known in _KEYS else ()
    credentials = {key: form[key] for key in keys if form.get(key)}
    if not credentials:
        raise Unprocessable(f"The store's keys are missing: {', '.join(keys)}.", field="credentials")
    return {
        **{name: form.get(name, "") for name in ("name", "platform", "base_url")},
        "credentials": credentials,
        "webhook_secret": form.get("webhook_secret") or None,
    }


def _read_pairs(text: str) -> dict[str, str]:
    """`word=status`, one a line."""
    pairs = (line.partition("=") for line in text.splitlines() if line.strip())
    return {word.strip(): status.strip() for word, _, status in pairs}


def _describe_test(told: dict[str, Any]) -> str:
    if not told["ok"]:
        return str(told["problem"])
    about = [f"It answers as {told['name']}" if told.get("name") else "It answers"]
    about += [f"{label} {told[key]}" for key, label in (("currency", "in"), ("time_zone", "at")) if told.get(key)]
    return ", ".join(about) + ". " + " ".join(told.get("notes") or [])
