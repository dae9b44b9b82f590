"""What every command that does something needs: settings, a database, logs, and a clear word when something is missing."""

from __future__ import annotations

import asyncio
import gc
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager

import typer
import uvloop
from rich.console import Console

from relay import logs
from relay.core.errors import RelayError
from relay.settings import Settings, read_settings, runtime_dir
from relay.storage.embedded import find_binaries, start_embedded
from relay.wiring import Relay, open_relay

out = Console(highlight=False)
err = Console(stderr=True, highlight=False)


def settings_or_exit(**given: object) -> Settings:
    with told():
        return read_settings(**given)
    raise AssertionError  # told() leaves the program


@contextmanager
def told() -> Iterator[None]:
    """Turn errors of ours into one line on stderr and exit code 1."""
    try:
        yield
    except RelayError as error:
        err.print(f"relay: {error.message}", style="red" if err.is_terminal else None, markup=False, soft_wrap=True)
        raise typer.Exit(1) from None


@contextmanager
def database(settings: Settings) -> Iterator[str]:
    """The address of the database: the operator's, or an embedded server's that runs as long as this block."""
    if settings.database_url:
        yield settings.database_url
        return
    binaries = find_binaries(settings.pg_bin)
    with start_embedded(settings.data_dir, binaries=binaries, runtime_dir=runtime_dir()) as server:
        yield server.dsn


def run(
    settings: Settings, work: Callable[[Relay], Awaitable[None]], *, migrate: bool = False, restoring: bool = False
) -> None:
    """Open everything, do the work, close everything; errors of ours become one line."""
    from relay.cli.schema import migrate_now

    logs.configure(level=settings.log_level)
    with told(), database(settings) as dsn:

        async def main() -> None:
            if migrate:
                await migrate_now(dsn)
            async with open_relay(settings, dsn, restoring=restoring) as relay:
                _collect_less()
                await work(relay)

        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(main())


def _collect_less() -> None:
    """What is in memory by now stays: nobody need look through it again and again for garbage. Of what comes and goes,
    little is in cycles."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)


@asynccontextmanager
async def until_stopped() -> AsyncIterator[asyncio.Event]:
    """An event that SIGINT and SIGTERM set."""
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stopped.set)
    try:
        yield stopped
    finally:
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(number)


def say(line: str) -> None:
    """One line for a person, on stderr when stdout is for a program."""
    err.print(line, markup=False, soft_wrap=True)
    sys.stderr.flush()
