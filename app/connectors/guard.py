"""A transport that connects to public addresses only, so that a store's address cannot lead into our own network."""

import asyncio
import socket
from ipaddress import ip_address

import httpx


class PrivateAddress(httpx.TransportError):
    """The host is on this machine or in a private network."""


class GuardedTransport(httpx.AsyncBaseTransport):
    """Looks the host up itself, and connects to an address that was checked: a second answer of DNS changes nothing.

    TLS is checked against the host's name all the same.
    """

    def __init__(self, inner: httpx.AsyncBaseTransport, *, allow_private: bool) -> None:
        self._inner = inner
        self._allow_private = allow_private

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        if not self._allow_private:
            host = request.url.host
            address = await _find_public(host, request.url.port or (443 if request.url.scheme == "https" else 80))
            request.extensions = {**request.extensions, "sni_hostname": host}
            request.url = request.url.copy_with(host=address)
        return await self._inner.handle_async_request(request)

    async def aclose(self) -> None:
        await self._inner.aclose()


async def _find_public(host: str, port: int) -> str:
    loop = asyncio.get_running_loop()
    try:
        found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except OSError as error:
        raise httpx.ConnectError(f"{host} is not known: {error.strerror}") from None
    addresses = [str(entry[4][0]) for entry in found]
    for address in addresses:
        if not ip_address(address.partition("%")[0]).is_global:
            raise PrivateAddress(f"{host} is {address}, an address of this machine or of a private network")
    return addresses[0]
