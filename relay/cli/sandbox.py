"""``relay sandbox``: everything on this machine, for looking at and for trying things out. Nothing reaches a real phone.

An embedded database, a simulated carrier as a process of its own, the API, the worker and the page with the two handsets,
composed here as ``serve`` composes production. What must never be: this relay talking to a real provider (every provider's
address is the simulated carrier's), or production's data or keys touched (they are neither opened nor looked for).
"""

from __future__ import annotations

import asyncio
import io
import json
import os
import signal
import socket
import sys
import tempfile
import webbrowser
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Self

import typer
from rich.text import Text

from relay import logs
from relay.api.app import build_app, described
from relay.api.audit_exports import Exporting
from relay.api.provider_hooks import ProviderHooks
from relay.api.server import listen, serving
from relay.cli.running import database, out, say, settings_or_exit, told, until_stopped
from relay.cli.schema import migrate_now
from relay.core.ids import IdKind, public
from relay.core.model import Scope
from relay.sandbox import memory as memories
from relay.sandbox.child import Child
from relay.sandbox.clock import Clock
from relay.sandbox.control import Control, Marketplace, client
from relay.sandbox.demo import NUMBERS, PEOPLE, Demo, furnish, key_that_works
from relay.sandbox.memory import Memory
from relay.sandbox.routes import Sandbox
from relay.sandbox.tour import tell
from relay.sandbox.tour_stage import Place
from relay.settings import Settings
from relay.web import console, reference
from relay.web.sealed_log import SealedLog
from relay.wiring import Relay, keeping_keys, open_relay, working

_HOST = "127.0.0.1"
#: Waits that production needs and a person at a screen does not, in seconds.
_BRISK = {"lease": 2.0, "busy_poll": 0.2, "upkeep_period": 0.5, "ask_after": (1.0, 2.0, 4.0), "give_up_after": 6.0}


@dataclass(frozen=True, slots=True)
class _House:
    """What stands before the event loop runs."""

    settings: Settings
    listener: socket.socket
    memory: Memory
    carrier: Child
    dsn: str


@dataclass(frozen=True, slots=True)
class _Address:
    """Where a running sandbox is, and the keys to it."""

    url: str
    api_key: str
    audit_key: str
    database_url: str
    carrier_url: str
    connection: str


def sandbox(
    port: Annotated[int | None, typer.Option(help="Port of the page and the API (RELAY_PORT)")] = None,
    no_browser: Annotated[bool, typer.Option("--no-browser", help="Do not open the page")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one line of JSON: addresses, keys, numbers")] = False,
    ephemeral: Annotated[bool, typer.Option("--ephemeral", help="Keep nothing")] = False,
    tour: Annotated[bool, typer.Option("--tour", help="Tell the whole story in the terminal, then end")] = False,
) -> None:
    """Everything on this machine: two phones, a simulated carrier, the API, a database of its own."""
    given = settings_or_exit(host=_HOST, port=0 if tour and port is None else port)
    if given.database_url:
        say("relay: RELAY_DATABASE_URL is set and not used: the sandbox has a database of its own")
    code = 0
    with _Ending() as ending, told(), _house(given, ephemeral=ephemeral or tour) as house:
        if tour:
            code = asyncio.run(_tour(house, ending))
        else:
            asyncio.run(_live(house, ending, as_json=as_json, browser=not no_browser))
    raise typer.Exit(code)


class _Ending:
    """Ctrl-C and SIGTERM are how a sandbox ends, even one that has not come up yet.

    The first one is noted, and heeded between two steps of the start: an exception in the middle of one can be lost (in a
    fork) or lose a child. The second one interrupts.
    """

    def __init__(self) -> None:
        self.asked = False
        self._before: dict[signal.Signals, Any] = {}

    def _note(self, _number: int, _frame: object) -> None:
        if self.asked:
            raise KeyboardInterrupt
        self.asked = True

    def __enter__(self) -> Self:
        self._before = {number: signal.signal(number, self._note) for number in (signal.SIGINT, signal.SIGTERM)}
        return self

    def __exit__(self, kind: type[BaseException] | None, _error: BaseException | None, _trace: object) -> bool:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        return kind is KeyboardInterrupt


@contextmanager
def _house(given: Settings, *, ephemeral: bool) -> Iterator[_House]:
    """The listening socket before anything else, then the carrier and the database, which start side by side."""
    with listen(_HOST, given.port) as listener, _folder(given, ephemeral=ephemeral) as folder:
        url = f"http://{_HOST}:{listener.getsockname()[1]}"
        changes = {
            "database_url": "",
            "data_dir": folder,
            "keyring": None,
            "public_url": url,
            "loopback_webhooks": True,
            **_BRISK,
        }
        settings = given.model_copy(update=changes)
        memory = memories.recall(folder)
        with Child.start(memory) as carrier, database(settings) as dsn:
            memories.store(folder, memory)
            yield _House(settings, listener, memory, carrier, dsn)


@contextmanager
def _folder(given: Settings, *, ephemeral: bool) -> Iterator[Path]:
    """Where this sandbox keeps its data: never where production does."""
    if not ephemeral:
        yield given.data_dir / "sandbox"
        return
    with tempfile.TemporaryDirectory(prefix="relay-sandbox-") as name:
        if os.geteuid() == 0:  # root's database may have to run as another user, who passes through here
            Path(name).chmod(0o711)
        yield Path(name) / "data"


async def _live(house: _House, ending: _Ending, *, as_json: bool, browser: bool) -> None:
    """From ready to stopped."""
    logs.configure(level=_log_level(house.settings))
    async with until_stopped() as stopped:
        if ending.asked:
            return
        async with _running(house) as address:
            if stopped.is_set():
                return
            if as_json:
                _print_json(address)
            else:
                _print_welcome(address, house.settings.data_dir)
            if browser and not as_json and out.is_terminal:
                await asyncio.to_thread(_open_page, f"{address.url}/sandbox")
            await stopped.wait()


async def _tour(house: _House, ending: _Ending) -> int:
    """From ready to the end of the story, or to the signal that cuts it short. Returns the exit code."""
    lines = io.StringIO()
    logs.configure(level="info", stream=lines)
    async with until_stopped() as stopped:
        if ending.asked:
            return 1
        async with _running(house) as address:
            place = Place(address.url, address.api_key, address.database_url, lines.getvalue)
            story = asyncio.create_task(tell(place))
            cut_short = asyncio.create_task(stopped.wait())
            await asyncio.wait({story, cut_short}, return_when=asyncio.FIRST_COMPLETED)
            cut_short.cancel()
            if not story.done():
                story.cancel()
                return 1
            return 0 if story.result() else 1


def _log_level(settings: Settings) -> str:
    """Warnings and worse, for a person reads along; unless they asked for something else."""
    return settings.log_level if "log_level" in settings.model_fields_set else "warning"


@asynccontextmanager
async def _running(house: _House) -> AsyncIterator[_Address]:
    """A relay that works, furnished, with the sandbox's routes."""
    carrier_url = await house.carrier.address()
    settings = house.settings.model_copy(update={"carrier_url": carrier_url})
    await migrate_now(house.dsn)
    async with open_relay(settings, house.dsn) as relay, client(carrier_url) as http:
        relay.database.clock_offset = timedelta(seconds=house.memory.clock_offset)
        demo = await furnish(relay, house.memory)
        memory = await _with_keys(relay, demo, house.memory)
        memories.store(settings.data_dir, memory)
        connection = public(IdKind.CONNECTION, demo.connection.id)
        hooks = f"{settings.public_url}/hooks/{connection}"
        control = Control(http)
        offset = memory.clock_offset
        await control.configure(webhook_url=f"{hooks}/inbound", voice_url=f"{hooks}/voice", now_offset_s=offset)
        async with _serving(relay, control, memory, house.listener):
            yield _Address(settings.public_url, memory.api_key, memory.audit_key, house.dsn, carrier_url, connection)


@asynccontextmanager
async def _serving(relay: Relay, control: Control, memory: Memory, listener: socket.socket) -> AsyncIterator[None]:
    """Worker, API, provider routes and sandbox routes."""
    settings = relay.settings

    def remember(offset: float) -> None:
        memories.store(settings.data_dir, replace(memory, clock_offset=offset))

    bearer = {"authorization": f"Bearer {memory.api_key}"}
    async with keeping_keys(relay), working(relay) as leases, client(settings.public_url, bearer) as http:
        clock = Clock(relay.database, control, remember, leases.turn)
        routes = Sandbox(control, Marketplace(http), clock, relay.database).routes()
        pages = [
            *console.routes(relay, SealedLog(relay.audit_page), Exporting(relay)),
            *reference.routes(partial(described, relay.public_url)),
        ]
        app = build_app(relay, api_rate=settings.api_rate, extra=[*routes, *pages])
        async with serving(ProviderHooks(relay, public_url=settings.public_url, behind=app), listener):
            yield


async def _with_keys(relay: Relay, demo: Demo, memory: Memory) -> Memory:
    everything = await key_that_works(relay, demo.account, memory.api_key, name="sandbox", scopes=list(Scope))
    audit = await key_that_works(relay, demo.account, memory.audit_key, name="sandbox audit", scopes=[Scope.AUDIT])
    return replace(memory, api_key=everything, audit_key=audit)


def _open_page(url: str) -> None:
    try:
        found = webbrowser.get()
    except webbrowser.Error:
        return
    if type(found) is not webbrowser.GenericBrowser:  # that is a text browser, and would take this terminal
        found.open(url)


def _print_json(address: _Address) -> None:
    document = {
        "url": address.url,
        "api_key": address.api_key,
        "audit_key": address.audit_key,
        "database_url": address.database_url,
        "carrier_url": address.carrier_url,
        "connection": address.connection,
        "numbers": list(NUMBERS),
    }
    sys.stdout.write(json.dumps(document) + "\n")
    sys.stdout.flush()


def _print_welcome(address: _Address, folder: Path) -> None:
    body = f'{{"participants": [{{"phone": "{PEOPLE[0]}"}}, {{"phone": "{PEOPLE[1]}"}}]}}'
    lines = [
        Text.assemble(("Relay's sandbox is running.", "bold"), " Nothing here reaches a real phone.\n"),
        Text.assemble(("  Two phones  ", "dim"), (f"{address.url}/sandbox", "bold cyan")),
        Text.assemble(("  Audit       ", "dim"), f"{address.url}/console", ("  key ", "dim"), address.audit_key),
        Text.assemble(("  API         ", "dim"), f"{address.url}/v1"),
        Text.assemble(("  Key         ", "dim"), address.api_key),
        Text.assemble(("  Webhooks    ", "dim"), "may go to http:// addresses of this machine"),
        Text.assemble(("  Data        ", "dim"), f"{folder}\n"),
        Text("  Open a session from another terminal:", style="dim"),
        Text(f"  curl -s {address.url}/v1/sessions \\"),
        Text(f"    -H 'Authorization: Bearer {address.api_key}' -H 'Content-Type: application/json' \\"),
        Text(f"    -d '{body}'\n"),
        Text("  Stop it with Ctrl-C.", style="dim"),
    ]
    for line in lines:
        out.print(line, soft_wrap=True)
