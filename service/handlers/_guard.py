"""The SSRF guard: where a webhook may connect to, decided at the moment of connecting.

A check before the request can be fooled: the name may resolve to something else the second time (DNS rebinding), two
URL parsers may disagree about the host, a redirect may lead inside. Here the name is resolved once, every address is
judged, and the connection goes to a judged address. The URL stays as it is, so TLS verifies the host's name.
"""

import asyncio
import ipaddress
import socket
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Any

import httpcore

from service.domain.job import NonRetryable

Resolve = Callable[[str, int], Awaitable[Sequence[str]]]
"""The IP addresses of a host, as text. Raises `OSError` if there is none, `UnicodeError` if the name can be none."""

PORTS = frozenset({80, 443, 8080, 8443})  # no databases, mail servers or admin ports of others
RESOLVE_SECONDS = 5.0

LOOPBACK = (ipaddress.ip_network("127.0.0.0/8"), ipaddress.ip_network("::1/128"))
NAT64 = ipaddress.ip_network(
    "64:ff9b::/96"
)  # RFC 6052: how an IPv6-only network reaches the IPv4 address in the last 32 bits
GLOBAL_V6 = ipaddress.ip_network("2000::/3")
REFUSED = tuple(  # globally routable in the eyes of some Python, but no place for a webhook
    ipaddress.ip_network(text)
    for text in (
        "168.63.129.16/32",  # Azure's metadata and wire server
        "192.0.0.0/24",  # IETF protocol assignments; Oracle Cloud's metadata is 192.0.0.192
        "192.88.99.0/24",  # 6to4 relays
        "2001::/23",  # IETF protocol assignments; Teredo carries an IPv4 address inside
        "2002::/16",  # 6to4 carries an IPv4 address inside
        "3fff::/20",  # documentation
    )
)


class GuardedNetwork(httpcore.AsyncNetworkBackend):
    """Opens connections to judged addresses only. Refusals are `NonRetryable`."""

    def __init__(self, resolve: Resolve, *, allow_loopback: bool) -> None:
        self._resolve = resolve
        self._allow_loopback = allow_loopback
        self._network = httpcore.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109  the interface of httpcore
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        failure: Exception = httpcore.ConnectError("the host has no address")
        for address in await self._judged(host, port):
            try:
                return await self._network.connect_tcp(address, port, timeout, local_address, socket_options)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failure = error
        raise failure

    async def _judged(self, host: str, port: int) -> Sequence[str]:
        """The host's addresses, if all may be connected to: one private address among public ones is an attack too."""
        try:
            async with asyncio.timeout(RESOLVE_SECONDS):
                addresses = await self._resolve(host, port)
        except TimeoutError as error:
            raise httpcore.ConnectTimeout("the host name was not resolved in time") from error
        except OSError as error:
            raise httpcore.ConnectError("the host name does not resolve") from error
        except UnicodeError as error:
            raise NonRetryable("the webhook's host is not a host name") from error
        if not all(permitted(address, port, allow_loopback=self._allow_loopback) for address in addresses):
            # Without the address: the client may not learn what names of the inside resolve to.
            raise NonRetryable("the webhook's host or port is not permitted")
        return addresses


def permitted(address: str, port: int, *, allow_loopback: bool = False) -> bool:
    """Whether a webhook may connect there: a global unicast address, and a port of `PORTS`. Loopback: any port."""
    ip = ipaddress.ip_address(address)
    if allow_loopback and any(ip in network for network in LOOPBACK):
        return True
    return port in PORTS and _public(ip)


def _public(ip: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
    if ip in NAT64:
        ip = ipaddress.IPv4Address(ip.packed[-4:])
    if isinstance(ip, ipaddress.IPv6Address) and (ip not in GLOBAL_V6 or ip.scope_id is not None):
        return False  # so no IPv4-mapped, link-local, unique-local, multicast or scoped address
    return ip.is_global and not ip.is_multicast and not any(ip in network for network in REFUSED)


async def resolve(host: str, port: int) -> Sequence[str]:
    """Ask the system, which also understands 127.1, 0x7f.1 and 2130706433: so they are judged by what they mean."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(sockaddr[0]) for *_, sockaddr in found))
