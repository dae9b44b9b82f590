"""``relay serve`` and ``relay worker``."""

from __future__ import annotations

from typing import Annotated

import typer

from relay import logs
from relay.api.app import build_app
from relay.api.provider_hooks import ProviderHooks
from relay.api.server import listen, serving
from relay.cli.running import run, settings_or_exit, told, until_stopped
from relay.wiring import Relay, working


def serve(
    host: Annotated[str | None, typer.Option(help="Address to listen on (RELAY_HOST)")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on (RELAY_PORT)")] = None,
    api_only: Annotated[bool, typer.Option("--api-only", help="Leave sending and upkeep to `relay worker`")] = False,
) -> None:
    """Production: the API, the addresses that providers call, and (unless --api-only) the worker."""
    settings = settings_or_exit(host=host, port=port)
    with told():
        listener = listen(settings.host, settings.port)

    async def work(relay: Relay) -> None:
        app = build_app(relay, api_rate=settings.api_rate)
        hooks = ProviderHooks(relay, public_url=settings.public_url, behind=app)
        async with until_stopped() as stopped, serving(hooks, listener):
            address = "{}:{}".format(*listener.getsockname()[:2])
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


def worker() -> None:
    """The worker alone: sending and upkeep, for as many processes as you like."""
    settings = settings_or_exit()

    async def work(relay: Relay) -> None:
        async with until_stopped() as stopped, working(relay):
            logs.note("ready", role="worker")
            await stopped.wait()
            logs.note("stopping")
        logs.note("stopped")

    run(settings, work)
