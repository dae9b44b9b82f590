"""Where a form was sent from, as the browser tells it: only pages of ours may send one."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import urlsplit

_LOOPBACK = ("127.0.0.1", "localhost", "[::1]")


def origins_of(public_url: str) -> frozenset[str]:
    """The origins that are ours. This machine goes by several names."""
    parts = urlsplit(public_url)
    if not is_loopback(public_url):
        return frozenset({f"{parts.scheme}://{parts.netloc}".lower()})
    port = f":{parts.port}" if parts.port else ""
    return frozenset(f"{parts.scheme}://{name}{port}" for name in _LOOPBACK)


def is_loopback(public_url: str) -> bool:
    """Whether this address is of this machine."""
    return urlsplit(public_url).hostname in {"127.0.0.1", "::1", "localhost"}


def is_ours(headers: Mapping[str, str], ours: frozenset[str]) -> bool:
    """Did a page of ours send this form?

    A page without referrer, as ours are, names its origin ``null`` when it sends a form (Fetch, section 3.2), which a hostile
    frame can do too: then ``Sec-Fetch-Site``, which no page can set, has to say it.
    """
    origin, site = headers.get("origin", ""), headers.get("sec-fetch-site")
    if site not in {None, "same-origin"}:
        return False
    return origin.lower() in ours or (origin == "null" and site == "same-origin")
