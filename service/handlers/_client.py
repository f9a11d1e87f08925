"""The HTTP client of the webhooks: one for each process, guarded, and without any memory of earlier requests."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from http.cookiejar import CookieJar, DefaultCookiePolicy

import httpcore
import httpx

from service.handlers._guard import GuardedNetwork, Resolve, resolve

CONNECT_SECONDS = 3.0  # for each address, so that a dead one leaves time for the next
READ_SECONDS = 10.0


class GuardedTransport(httpx.AsyncHTTPTransport):
    """httpx's own transport (which OpenTelemetry instruments) over the guarded network."""

    def __init__(self, network: GuardedNetwork, tls: ssl.SSLContext) -> None:
        super().__init__(verify=tls, trust_env=False)
        # httpx has no parameter for the network below its pool. Tests hold that the guard is in the way.
        self._pool = httpcore.AsyncConnectionPool(
            ssl_context=tls,
            network_backend=network,
            max_connections=100,
            max_keepalive_connections=20,
            keepalive_expiry=5,
        )


@asynccontextmanager
async def guarded_client(
    resolve: Resolve = resolve, *, allow_loopback: bool = False, tls: ssl.SSLContext | None = None
) -> AsyncIterator[httpx.AsyncClient]:
    """A client that connects to public addresses only. Neither redirects nor proxies nor cookies."""
    if tls is None:  # in a thread: reading the certificates takes some 20 ms, during which the API would not answer
        tls = await asyncio.to_thread(httpx.create_ssl_context, trust_env=False)
    async with httpx.AsyncClient(
        transport=GuardedTransport(GuardedNetwork(resolve, allow_loopback=allow_loopback), tls),
        trust_env=False,  # an HTTP_PROXY would connect on our behalf, unguarded
        follow_redirects=False,
        timeout=httpx.Timeout(READ_SECONDS, connect=CONNECT_SECONDS),
        # A shared client would hand the cookies set in one user's job to the next user's.
        cookies=CookieJar(DefaultCookiePolicy(allowed_domains=())),
        headers={"User-Agent": "jobs-service", "Accept": "*/*", "Accept-Encoding": "identity"},
    ) as client:
        yield client


# Two plain functions, since `context.shared` knows a resource by its factory.
@asynccontextmanager
async def open_client() -> AsyncIterator[httpx.AsyncClient]:
    async with guarded_client() as client:
        yield client


@asynccontextmanager
async def open_client_with_loopback() -> AsyncIterator[httpx.AsyncClient]:
    async with guarded_client(allow_loopback=True) as client:
        yield client
