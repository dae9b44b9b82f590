"""``relay serve`` and ``relay worker``."""

from __future__ import annotations

import asyncio
import socket
from functools import partial
from typing import Annotated

import typer

from relay import logs, metrics
from relay.api.app import build_app, described
from relay.api.audit_exports import Exporting
from relay.api.provider_hooks import ProviderHooks
from relay.api.server import listen, serving
from relay.cli.running import database, run, settings_or_exit, told, until_stopped
from relay.cli.schema import migrate_now
from relay.cli.workers import Workers
from relay.settings import Settings
from relay.web import console, reference
from relay.web.sealed_log import SealedLog
from relay.wiring import Relay, keeping_keys, open_relay, working


def serve(
    host: Annotated[str | None, typer.Option(help="Address to listen on (RELAY_HOST)")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on (RELAY_PORT)")] = None,
    workers: Annotated[int, typer.Option(min=1, max=64, help="Processes behind the port")] = 1,
    api_only: Annotated[bool, typer.Option("--api-only", help="Leave sending and upkeep to `relay worker`")] = False,
    listener: Annotated[int | None, typer.Option(hidden=True)] = None,
) -> None:
    """Production: the API, the addresses that providers call, and (unless --api-only) the worker."""
    settings = settings_or_exit(host=host, port=port)
    with told():
        listening = listen(settings.host, settings.port) if listener is None else socket.socket(fileno=listener)
    if listener is not None:
        metrics.share()
    if workers > 1:
        _serve_together(settings, listening, workers, api_only=api_only)
    else:
        _serve_alone(settings, listening, api_only=api_only)


def _serve_alone(settings: Settings, listening: socket.socket, *, api_only: bool) -> None:
    async def work(relay: Relay) -> None:
        pages = [
            *console.routes(relay, SealedLog(relay.audit_page), Exporting(relay)),
            *reference.routes(partial(described, relay.public_url)),
        ]
        app = build_app(relay, api_rate=settings.api_rate, extra=pages)
        hooks = ProviderHooks(relay, public_url=settings.public_url, behind=app)
        async with until_stopped() as stopped, keeping_keys(relay), serving(hooks, listening):
            address = "{}:{}".format(*listening.getsockname()[:2])
            if api_only:
                logs.note("ready", role="api", address=address)
                await stopped.wait()
                return
            async with working(relay):
                logs.note("ready", role="api and worker", address=address)
                await stopped.wait()
                logs.note("stopping")
        logs.note("stopped")

    run(settings, work, migrate=not settings.database_url)


def _serve_together(settings: Settings, listening: socket.socket, workers: int, *, api_only: bool) -> None:
    """The parent opens everything once, so that what is wrong is said once, and a first keyring is made by one process."""
    logs.configure(level=settings.log_level)
    command = ["-P", "-m", "relay", "serve", *(["--api-only"] if api_only else [])]

    async def main(dsn: str) -> None:
        if not settings.database_url:
            await migrate_now(dsn)
        async with open_relay(settings, dsn):
            pass
        await Workers(settings, command, listener=listening, dsn=dsn).run(workers)

    with told(), database(settings) as dsn:
        asyncio.run(main(dsn))


def worker() -> None:
    """The worker alone: sending and upkeep, for as many processes as you like."""
    settings = settings_or_exit()

    async def work(relay: Relay) -> None:
        async with until_stopped() as stopped, keeping_keys(relay), working(relay):
            logs.note("ready", role="worker")
            await stopped.wait()
            logs.note("stopping")
        logs.note("stopped")

    run(settings, work)
