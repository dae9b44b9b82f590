"""An address on the web that a customer gave us to call: read once, strictly, and never shown.

Two readers that understand one URL differently are how a check is walked around, so whatever is unusual is refused rather
than understood: other spellings of an IP address, characters that browsers drop or turn around, names that change when
they are normalised. A path or query often holds a secret of the customer's: messages and ``repr`` do not repeat it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Self
from urllib.parse import SplitResult, urlsplit

from relay.core.addresses import is_loopback, is_public, read_address
from relay.core.errors import InvalidInput, Problem

LONGEST = 2000  # characters
_PORTS = {443, 8443}
_DEFAULT_PORTS = {"https": 443, "http": 80}
_LABEL = re.compile(r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?")
_BRACKETED = re.compile(r"\[[0-9a-f:.]+\](?::[0-9]*)?", re.IGNORECASE)
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")


@dataclass(frozen=True, slots=True, repr=False)
class CustomerUrl:
    """Where to call: ``host`` is a name in ASCII or an address without brackets, ``target`` the path with its query."""

    scheme: str
    host: str
    port: int
    target: str

    @classmethod
    def parse(cls, text: str, field: str, *, http_allowed: bool) -> Self:
        """Read a URL. ``http_allowed`` is the sandbox: plain http, any port, and this machine are fine there.

        Raises InvalidInput whose problem says what is wrong: ``url_too_long``, ``url_invalid``, ``url_scheme``,
        ``url_userinfo``, ``url_fragment``, ``url_host``, ``url_port``, ``url_address``.
        """
        parts = _split(text, field)
        if parts.scheme != "https" and not (http_allowed and parts.scheme == "http"):
            raise _wrong(field, "url_scheme", "must begin with https://")
        if "@" in parts.netloc:
            raise _wrong(field, "url_userinfo", "must not hold a user name or a password")
        host = _host(parts, field)
        _refuse_address(host, field, loopback_allowed=http_allowed)
        port = _port(parts, field)
        if port not in _PORTS and not http_allowed:
            raise _wrong(field, "url_port", "the port must be 443 or 8443")
        query = f"?{parts.query}" if parts.query else ""
        return cls(parts.scheme, host, port, (parts.path or "/") + query)

    @property
    def text(self) -> str:
        """The whole URL in its one spelling, to be kept sealed."""
        return f"{self.scheme}://{self.authority}{self.target}"

    @property
    def authority(self) -> str:
        """Host and port as the Host header has them."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _DEFAULT_PORTS[self.scheme] else f"{host}:{self.port}"

    def __repr__(self) -> str:
        return f"CustomerUrl({self.host})"


def _split(text: str, field: str) -> SplitResult:
    if len(text) > LONGEST:
        raise _wrong(field, "url_too_long", f"at most {LONGEST} characters")
    if "\\" in text or any(character <= " " or character == "\x7f" for character in text):
        raise _wrong(field, "url_invalid", "must not hold spaces, control characters or backslashes")
    if "#" in text:
        raise _wrong(field, "url_fragment", "must not have a fragment (#...)")
    try:
        parts = urlsplit(text)
    except ValueError:
        raise _wrong(field, "url_invalid", "is not a URL") from None
    if not (parts.path + parts.query).isascii():
        raise _wrong(field, "url_invalid", "path and query must be percent-encoded")
    return parts


def _host(parts: SplitResult, field: str) -> str:
    host = (parts.hostname or "").removesuffix(".")
    if "[" in parts.netloc:
        return _ipv6(parts.netloc, host, field)
    if not host.isascii():
        host = _ascii(host, field)
    labels = host.split(".")
    if len(host) > 253 or not all(_LABEL.fullmatch(label) for label in labels):
        raise _wrong(field, "url_host", "the host must be a name on the internet, or an IP address")
    return host


def _ipv6(netloc: str, host: str, field: str) -> str:
    if _BRACKETED.fullmatch(netloc) and ":" in host and read_address(host) is not None:
        return host
    raise _wrong(field, "url_address", "write an IP address in its usual form, or a host name")


def _ascii(host: str, field: str) -> str:
    """The host as DNS has it. One that normalisation changes (ß, wide digits, odd dots) is two hosts to two readers."""
    try:
        encoded = host.encode("idna").decode()
        same = encoded.encode().decode("idna") == host
    except UnicodeError:
        same = False
    if not same:
        raise _wrong(field, "url_host", "write the host in its ASCII form (xn--...)")
    return encoded


def _refuse_address(host: str, field: str, *, loopback_allowed: bool) -> None:
    """Addresses are judged here, for a clear word at once; what a name leads to is judged when it is called."""
    if loopback_allowed and (host == "localhost" or is_loopback(host)):
        return
    address = read_address(host)
    if address is None and _NUMBER.fullmatch(host.rpartition(".")[2]):
        raise _wrong(field, "url_address", "write an IP address in its usual form, or a host name")
    if address is not None and not is_public(host):
        raise _wrong(field, "url_address", "the address is not a public one")
    if address is None and ("." not in host or host.endswith(".localhost")):
        raise _wrong(field, "url_host", "the host must be a name on the internet, or an IP address")


def _port(parts: SplitResult, field: str) -> int:
    try:
        port = parts.port
    except ValueError:
        port = 0
    if port == 0:
        raise _wrong(field, "url_port", "the port is not a number from 1 to 65535")
    return _DEFAULT_PORTS[parts.scheme] if port is None else port


def _wrong(field: str, code: str, message: str) -> InvalidInput:
    return InvalidInput(Problem(field, code, message))
