"""What keeps others out of a signed-in admin's browser: headers on every answer, and forms of this origin alone."""

import secrets

from starlette.datastructures import MutableHeaders
from starlette.middleware.base import RequestResponseEndpoint
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from starlette_admin.security.csrf import CSRFMiddleware

_POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        # ApexCharts puts a style sheet into the page, which carries the nonce, and writes attributes of its drawing.
        "style-src 'self' 'nonce-{nonce}'",
        "style-src-attr 'unsafe-inline'",
        "img-src 'self' data:",
        "font-src 'self'",
        "connect-src 'self'",
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
    )
)
_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
}


def protect(headers: MutableHeaders, nonce: str, *, is_asset: bool = False) -> None:
    """Pages hold people's data, so that no cache may keep one; assets may be kept, but are asked for anew."""
    headers.update({"Content-Security-Policy": _POLICY.format(nonce=nonce), **_HEADERS})
    headers["Cache-Control"] = "no-cache" if is_asset else "no-store"


class HeadersMiddleware:
    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        nonce = secrets.token_urlsafe(16)
        scope.setdefault("state", {})["csp_nonce"] = nonce
        # Now: a mount within the console changes the scope that it is called with.
        is_asset = scope["path"].startswith(f"{scope['root_path']}/static/")

        async def send_protected(message: Message) -> None:
            if message["type"] == "http.response.start":
                protect(MutableHeaders(scope=message), nonce, is_asset=is_asset)
            await send(message)

        await self.app(scope, receive, send_protected)


class FormsOfThisOrigin(CSRFMiddleware):
    """The library's signed token, and before it what the browser itself says of where a form came from.

    A token that is compared with a cookie does not hold against another host of the same site, which can set cookies.
    """

    async def dispatch(self, request: Request, call_next: RequestResponseEndpoint) -> Response:
        if request.method not in self.safe_methods and _comes_from_elsewhere(request):
            return PlainTextResponse("This form came from another website.", status_code=403)
        return await super().dispatch(request, call_next)


def _comes_from_elsewhere(request: Request) -> bool:
    site = request.headers.get("sec-fetch-site")
    if site is not None:
        return site not in {"same-origin", "none"}
    origin = request.headers.get("origin")
    return origin is not None and origin != f"{request.url.scheme}://{request.url.netloc}"
