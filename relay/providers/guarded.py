"""HTTP to addresses that customers give: only to public ones, one POST, a small answer, and nothing of it kept.

The danger (SSRF): a customer's URL makes us knock on doors that only we can reach. A name is therefore resolved once, all
its addresses are judged, and the library is handed an address that was judged, never the name: a name that leads somewhere
else a moment later leads nowhere. The name is what the certificate is checked for. No redirect is followed, no proxy is
taken from the environment, no cookie is kept, and no connection is used again.

Unlike with a provider, a request that may have left can be made again: endpoints know it by its id.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self
from urllib.parse import quote
from uuid import UUID

import aiohttp
import httpx
from yarl import URL

from relay.core.addresses import is_loopback, is_public, read_address
from relay.core.customer_url import CustomerUrl
from relay.core.errors import AddressRefused, NotAnswered
from relay.providers.lookups import Lookups, Resolver, in_threads

#: Bytes of an answer that are read. What lies beyond is not waited for.
MAX_ANSWER = 16 * 1024

#: Addresses of one name that are tried, each with its share of the time. More than one is a convenience of theirs.
_MOST_ADDRESSES = 4

#: All that may stand in a path and query, besides letters, digits and ``-._~``.
_STANDS_IN_URLS = "%/?:@!$&'()*+,;=[]"

_LONGEST_RETRY_AFTER = 86_400  # seconds


@dataclass(frozen=True, slots=True)
class CustomerAnswer:
    """What an endpoint said. ``body`` is cut at 16 kB; ``retry_after`` in seconds, where it was given as a number."""

    status: int
    body: bytes = field(repr=False)
    retry_after: int | None


class GuardedTransport:
    """Posts to customers' endpoints. An async context manager; close it when nothing is being posted."""

    def __init__(
        self, open_session: Callable[[], aiohttp.ClientSession], lookups: Lookups, *, loopback_allowed: bool
    ) -> None:
        self._open_session = open_session
        self._session: aiohttp.ClientSession | None = None  # opened when first needed
        self._lookups = lookups
        self._loopback_allowed = loopback_allowed

    async def post(
        self, owner: UUID, url: CustomerUrl, body: bytes, headers: Mapping[str, str], *, within: float
    ) -> CustomerAnswer:
        """Post once and read the answer, whatever its status; ``within`` seconds for everything, the name's look-up too.

        ``owner`` is the account whose endpoint it is. Raises AddressRefused when the name leads to any address that is not
        public, and NotAnswered.
        """
        try:
            async with asyncio.timeout(within):
                return await self._exchange_with_any(url, await self._addresses(owner, url), body, headers, within)
        except (aiohttp.ClientError, OSError) as error:
            failure = NotAnswered(_kind(error))
        # Raised out here so that the library's error, which names the URL, is not even its context.
        raise failure

    async def _exchange_with_any(
        self, url: CustomerUrl, addresses: Sequence[str], body: bytes, headers: Mapping[str, str], within: float
    ) -> CustomerAnswer:
        limits = aiohttp.ClientTimeout(total=None, sock_connect=within / len(addresses))
        for address in addresses[:-1]:
            try:
                return await self._exchange(url, address, body, headers, limits)
            except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError) as error:
                if _kind(error) != "connect":
                    raise
        return await self._exchange(url, addresses[-1], body, headers, limits)

    async def _addresses(self, owner: UUID, url: CustomerUrl) -> Sequence[str]:
        """What may be connected to. One bad address among good ones is no accident: all are refused."""
        found = [url.host] if read_address(url.host) else await self._lookups.addresses(owner, url.host, url.port)
        if not found:
            raise NotAnswered("name")
        if not all(is_public(address) or (self._loopback_allowed and is_loopback(address)) for address in found):
            raise AddressRefused
        return list(dict.fromkeys(found))[:_MOST_ADDRESSES]

    async def _exchange(
        self, url: CustomerUrl, address: str, body: bytes, headers: Mapping[str, str], limits: aiohttp.ClientTimeout
    ) -> CustomerAnswer:
        place = f"[{address}]" if ":" in address else address
        if self._session is None:
            self._session = self._open_session()
        # As it was given, for it may be signed: the library would write parts of it in another way.
        target = quote(url.target, safe=_STANDS_IN_URLS)
        async with self._session.post(
            URL(f"{url.scheme}://{place}:{url.port}{target}", encoded=True),
            data=body,
            # A compressed answer could be small on the wire and huge in memory.
            headers={"user-agent": "relay", "accept-encoding": "identity", **headers, "host": url.authority},
            allow_redirects=False,
            server_hostname=url.host if url.scheme == "https" else None,
            timeout=limits,
        ) as answer:
            return CustomerAnswer(answer.status, await _read(answer.content), _retry_after(answer))

    async def aclose(self) -> None:
        """Close every connection."""
        self._lookups.close()
        if self._session is not None:
            await self._session.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()


def open_guarded_transport(
    *,
    loopback_allowed: bool,
    resolver: Resolver | None = None,
    tls: ssl.SSLContext | None = None,
) -> GuardedTransport:
    """The transport for real use. It does not count its sockets: whoever posts has places that no other account can take, and
    one queue behind them would be shared by all.

    ``loopback_allowed`` is the sandbox, whose customers stand on the same machine. ``tls`` decides whom to trust;
    the world's authorities if not given.
    """

    def session() -> aiohttp.ClientSession:
        trusted = tls or httpx.create_ssl_context(trust_env=False)
        connector = aiohttp.TCPConnector(limit=0, force_close=True, ssl=trusted)
        return aiohttp.ClientSession(
            connector=connector, cookie_jar=aiohttp.DummyCookieJar(), auto_decompress=False, trust_env=False
        )

    return GuardedTransport(session, Lookups(resolver or in_threads()), loopback_allowed=loopback_allowed)


async def _read(content: aiohttp.StreamReader) -> bytes:
    body = bytearray()
    async for chunk in content.iter_any():
        body += chunk
        if len(body) >= MAX_ANSWER:
            break
    return bytes(body[:MAX_ANSWER])


def _retry_after(answer: aiohttp.ClientResponse) -> int | None:
    """Whole seconds, at most a day. A date, which the standard allows too, is rare and needs two clocks to agree."""
    given = answer.headers.get("retry-after", "").strip()
    return min(int(given), _LONGEST_RETRY_AFTER) if given.isascii() and given.isdigit() and len(given) < 10 else None


def _kind(error: Exception) -> str:
    if isinstance(error, aiohttp.ClientConnectorCertificateError | aiohttp.ClientConnectorSSLError):
        return "tls"
    if isinstance(error, aiohttp.ClientConnectorError | aiohttp.ConnectionTimeoutError):
        return "connect"
    return "deadline" if isinstance(error, TimeoutError) else "protocol"
