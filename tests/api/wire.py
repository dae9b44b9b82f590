"""Bytes that a client may send to the server: what is no HTTP/1.1 that we take, and headers beyond what we read."""

from __future__ import annotations

HOST = b"Host: relay.example\r\n"
ALIVE = b"GET /healthz HTTP/1.1\r\n" + HOST

#: Each ends in 400 and a line that is hung up. Two lengths in one request are two requests to somebody else.
NO_HTTP = (
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    b"nonsense\r\n\r\n",
    b"GET /healthz HTTP/9.9\r\n\r\n",
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    b"CONNECT elsewhere:80 HTTP/1.1\r\n" + HOST + b"\r\n",
    b"GET /\xff HTTP/1.1\r\n" + HOST + b"\r\n",
    b"GET /v1/sessions?\xff HTTP/1.1\r\n" + HOST + b"\r\n",
    ALIVE + b"X: a\x00b\r\n\r\n",
    ALIVE + b"X: a\r\n folded\r\n\r\n",
    ALIVE + b"X : a\r\n\r\n",
    ALIVE + b": a\r\n\r\n",
    ALIVE + b"Content-Length: -1\r\n\r\n",
    ALIVE + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n",
    b"POST /v1/pools HTTP/1.1\r\n" + HOST + b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    b"POST /v1/pools HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
    b"POST /v1/pools HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n\r\n",
)


def with_header_of(size: int) -> bytes:
    """A request with one header of so many bytes."""
    return ALIVE + b"X: " + b"a" * size + b"\r\n\r\n"


#: Each is longer than 16 kB, and the request is whole.
LONG_HEADERS = (
    with_header_of(17_000),
    b"GET /healthz?" + b"a" * 17_000 + b" HTTP/1.1\r\n" + HOST + b"\r\n",
    ALIVE + b"a: b\r\n" * 4_000 + b"\r\n",
)
