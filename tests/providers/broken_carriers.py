"""HTTP servers of a few raw lines that fail in the ways networks and gateways do. A polite server cannot.

For tests of the transport alone: they know nothing of SMS and answer the same to everybody.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
import struct
from asyncio import StreamReader as Reader
from asyncio import StreamWriter as Writer
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

Handler = Callable[[Reader, Writer], Awaitable[None]]

OK = b"HTTP/1.1 201 Created\r\nContent-Length: 2\r\nX-Thing: One\r\nx-thing: two\r\n\r\n{}"


@asynccontextmanager
async def server(handle: Handler, tls: ssl.SSLContext | None = None) -> AsyncIterator[str]:
    """Serve ``handle`` on loopback, once per connection, and yield the base URL."""
    running: set[asyncio.Task[None]] = set()

    async def connection(reader: Reader, writer: Writer) -> None:
        with suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            task = asyncio.current_task()
            assert task is not None
            running.add(task)
            await handle(reader, writer)
        writer.close()

    listening = await asyncio.start_server(connection, "127.0.0.1", 0, ssl=tls)
    host, port = listening.sockets[0].getsockname()
    try:
        yield f"{'https' if tls else 'http'}://{host}:{port}"
    finally:
        listening.close()
        for task in running:
            task.cancel()
        await asyncio.gather(*running)


async def read_request(reader: Reader) -> bytes:
    """One whole request, head and body."""
    head = await reader.readuntil(b"\r\n\r\n")
    lengths = [line[15:] for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
    return head + await reader.readexactly(int(lengths[0]) if lengths else 0)


def answering(answer: bytes) -> Handler:
    """Read one request, write these bytes, close."""

    async def handle(reader: Reader, writer: Writer) -> None:
        await read_request(reader)
        writer.write(answer)
        await writer.drain()

    return handle


async def says_nothing(reader: Reader, writer: Writer) -> None:
    await asyncio.sleep(60)


async def resets(reader: Reader, writer: Writer) -> None:
    await read_request(reader)
    _reset(writer)


async def resets_in_the_middle(reader: Reader, writer: Writer) -> None:
    await read_request(reader)
    writer.write(b"HTTP/1.1 201 Created\r\ncontent-length: 100\r\n\r\n{")
    await writer.drain()
    await asyncio.sleep(0.05)
    _reset(writer)


def _reset(writer: Writer) -> None:
    # Without lingering the kernel sends RST where it would have sent FIN.
    writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


async def drips(reader: Reader, writer: Writer) -> None:
    await read_request(reader)
    writer.write(b"HTTP/1.1 201 Created\r\ncontent-length: 1000\r\n\r\n")
    while True:
        writer.write(b"x")
        await writer.drain()
        await asyncio.sleep(0.02)


async def promises_for_ever(reader: Reader, writer: Writer) -> None:
    await read_request(reader)
    while True:
        writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        await writer.drain()
        await asyncio.sleep(0.01)


def self_signed(folder: Path) -> ssl.SSLContext:
    """TLS with a certificate that nobody vouches for. Its file is written into ``folder``."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder(name, name, key.public_key(), 1, now, now + timedelta(days=1))
    certificate = builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    (folder / "both.pem").write_bytes(certificate + private)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "both.pem")
    return context
