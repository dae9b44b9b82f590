"""The simulated carrier as a process: `python -m relay.sandbox.carrier --port 0 --account-sid AC...`.

It speaks Twilio's REST and webhook formats over real HTTP, so that the relay needs no test mode. It must import
nothing of relay but its own `carrier*` modules: it is the outside world that the relay is judged by, and a shared bug
would hide itself. Here are the command line and the process: one loopback socket, one line of JSON when ready, a
clean end.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import ctypes
import json
import os
import re
import signal
import socket
import sys
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import uvicorn
from starlette.applications import Starlette
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from relay.sandbox.carrier.control import Control
from relay.sandbox.carrier.courier import Courier
from relay.sandbox.carrier.fields import is_web_address
from relay.sandbox.carrier.ledger import Ledger
from relay.sandbox.carrier.network import Network
from relay.sandbox.carrier.rest import HANG_UP, RestApi
from relay.sandbox.carrier.weather import Config
from relay.sandbox.carrier.webhooks import Account

LOOPBACK = "127.0.0.1"
TOKEN_VARIABLE = "CARRIER_AUTH_TOKEN"  # noqa: S105 -- the name of the variable, not a secret

_PR_SET_PDEATHSIG = 1

# Longer than clients keep idle connections: closing first would turn their next send into one without an answer.
_IDLE_CONNECTION_S = 75


@dataclass(frozen=True, slots=True)
class Settings:
    """What a carrier starts with. `webhook_timeout_s` bounds one try; `webhook_retries` counts the tries after it."""

    account: Account
    config: Config = field(default_factory=Config)
    ledger: Path | None = None
    webhook_retries: int = 5
    webhook_timeout_s: float = 15


class CarrierServer(uvicorn.Server):
    """uvicorn that tells when it listens, and leaves signals to its caller.

    uvicorn's own handling would raise a signal again after a clean stop, and take it from whoever owns the loop.
    """

    def __init__(self, app: Starlette, *, on_ready: Callable[[], None]) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                http=_Line,
                ws="none",
                lifespan="on",
                log_config=None,
                access_log=False,
                timeout_keep_alive=_IDLE_CONNECTION_S,
                timeout_graceful_shutdown=2,
            )
        )
        self._on_ready = on_ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start listening, then tell."""
        await super().startup(sockets)
        self._on_ready()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Capture none."""
        yield


class _Line(HttpToolsProtocol):
    """One connection, which a handler may close without an answer."""

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self.scope["extensions"] = {HANG_UP: {"close": self.transport.close}}


def build_carrier(settings: Settings) -> Starlette:
    """Assemble a carrier as an ASGI app, whose lifespan owns the connections and the background work.

    Raise `OSError` when the ledger's file cannot be opened.
    """
    network = Network(ledger=Ledger(settings.ledger), config=settings.config)
    courier = Courier(network, settings.account, retries=settings.webhook_retries, timeout_s=settings.webhook_timeout_s)

    @contextlib.asynccontextmanager
    async def lifespan(_app: Starlette) -> AsyncIterator[None]:
        async with courier:
            yield
        network.ledger.close()

    routes = RestApi(network, courier, settings.account).routes() + Control(network, courier, settings.account).routes()
    return Starlette(routes=routes, lifespan=lifespan)


def bind(port: int) -> socket.socket:
    """Take a loopback port, any free one for 0; raise `OSError` when it is taken."""
    # asyncio turns Nagle's algorithm off only where the protocol is named; with it on, every answer takes 40 ms.
    sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.bind((LOOPBACK, port))
    return sock


def url_of(sock: socket.socket) -> str:
    """The base address of a carrier on `sock`."""
    return f"http://{LOOPBACK}:{sock.getsockname()[1]}"


async def serve(app: Starlette, sock: socket.socket) -> None:
    """Run a carrier on `sock` until SIGTERM or SIGINT; print `{"url": ...}` on standard output once it listens."""

    def announce() -> None:
        sys.stdout.write(json.dumps({"url": url_of(sock)}) + "\n")
        sys.stdout.flush()

    server = CarrierServer(app, on_ready=announce)
    for signum in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(signum, setattr, server, "should_exit", True)
    await server.serve(sockets=[sock])


def parse_arguments(argv: Sequence[str], environ: dict[str, str]) -> tuple[Settings, int]:
    """Read the command line into settings and a port; a mistake ends the process with status 2 and words on stderr."""
    parser = argparse.ArgumentParser(prog="python -m relay.sandbox.carrier", description="A simulated SMS carrier.")
    parser.add_argument("--port", type=int, default=0, help="loopback port to listen on; 0 picks a free one")
    parser.add_argument("--account-sid", type=_account_sid, required=True, help="AC and 32 hex digits")
    parser.add_argument(
        "--auth-token", default=environ.get(TOKEN_VARIABLE), help=f"shows in ps: prefer {TOKEN_VARIABLE}"
    )
    parser.add_argument("--webhook-url", type=_url, help="where inbound texts are posted, whatever their number")
    parser.add_argument("--voice-url", type=_url, help="where incoming calls are posted")
    parser.add_argument("--ledger", type=Path, help="file to which accepted sends are appended as JSON lines")
    parser.add_argument("--webhook-retries", type=int, default=5, help="further tries for an inbound text")
    parser.add_argument("--webhook-timeout", type=float, default=15, help="seconds until a try is given up")
    given = parser.parse_args(argv)
    if not given.auth_token:
        parser.error(f"no auth token: set {TOKEN_VARIABLE}")
    settings = Settings(
        account=Account(given.account_sid, given.auth_token),
        config=Config(webhook_url=given.webhook_url, voice_url=given.voice_url),
        ledger=given.ledger,
        webhook_retries=given.webhook_retries,
        webhook_timeout_s=given.webhook_timeout,
    )
    return settings, given.port


def _account_sid(value: str) -> str:
    if re.fullmatch(r"AC[0-9a-fA-F]{32}", value) is None:
        raise argparse.ArgumentTypeError("must be AC and 32 hex digits")
    return value


def _url(value: str) -> str:
    if not is_web_address(value):
        raise argparse.ArgumentTypeError("must be an http or https URL")
    return value


def _die_with_parent() -> None:
    """Have the kernel end this process with the thread that started it, so that no test run leaves a carrier behind.

    Linux only. It follows the parent's thread, not its process: start a carrier from a thread that outlives it.
    """
    if sys.platform != "linux":
        return
    parent = os.getppid()
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    # A parent that died before the call above sends no signal any more.
    if os.getppid() != parent:
        sys.exit(0)


def main() -> None:
    """Run a carrier as this process."""
    _die_with_parent()
    settings, port = parse_arguments(sys.argv[1:], dict(os.environ))
    try:
        sock, app = bind(port), build_carrier(settings)
    except (OSError, OverflowError) as error:
        sys.exit(f"the carrier cannot start: {error}")
    asyncio.run(serve(app, sock))
