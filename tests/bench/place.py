"""What a measurement needs: PostgreSQL of its own, the cheap carrier, and one build that is measured, as real processes."""

from __future__ import annotations

import asyncio
import os
import secrets
import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import asyncpg
import httpx

from relay.cli.schema import migrate_now
from relay.core.ids import IdKind, Seed, public
from relay.core.model import Scope
from relay.settings import read_settings
from relay.storage.embedded import EmbeddedServer, find_binaries, start_embedded
from relay.vault import keyring, keyring_file
from relay.wiring import open_relay
from tests.acceptance.processes import ACCOUNT_SID, AUTH_TOKEN, first_line, start, until
from tests.bench.baselines import tables
from tests.bench.baselines.builds import Build
from tests.bench.seed import Seeder, add_numbers
from tests.bench.talks import POOLS, pairings

_TICKS = os.sysconf("SC_CLK_TCK")
NUMBER_RATE = 50.0  #: segments a second: every number is paced, none is the limit


def binaries() -> Path:
    return find_binaries(Path(os.environ["RELAY_PG_BIN"]) if "RELAY_PG_BIN" in os.environ else None)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass(slots=True)
class Place:
    """One build with its carrier. ``inbound`` is where texts are posted; ``processes`` are the build's, by name; ``key`` opens
    its API, where it has one."""

    inbound: str
    sessions: int
    server: EmbeddedServer
    carrier_url: str
    processes: dict[str, int]
    url: str = ""
    key: str = ""
    pools: int = POOLS

    async def ledger(self) -> tuple[list[tuple[int, str, str, float]], int]:
        """What the carrier was handed since it was last told to forget, and how many of its receipts were taken."""
        async with httpx.AsyncClient(base_url=self.carrier_url, timeout=60) as client:
            told = (await client.get("/ledger")).json()
        return [tuple(row) for row in told["ledger"]], told["receipts"]

    async def left(self) -> tuple[int, int]:
        """How many texts the carrier was handed, and how many receipts it was answered 2xx for."""
        async with httpx.AsyncClient(base_url=self.carrier_url, timeout=60) as client:
            told = (await client.get("/counts")).json()
        return told["texts"], told["receipts"]

    async def forget(self) -> None:
        async with httpx.AsyncClient(base_url=self.carrier_url, timeout=60) as client:
            await client.post("/forget")

    def spent(self) -> dict[str, float]:
        """CPU seconds that each process has used so far, and PostgreSQL's processes together."""
        spent = {name: sum(cpu_of(one) for one in family(pid)) for name, pid in self.processes.items()}
        spent["postgres"] = sum(cpu_of(pid) for pid in family(self.server.pid))
        return spent

    def resident(self) -> dict[str, int]:
        """Bytes of memory that each process of the build holds."""
        return {name: resident_of(pid) for name, pid in self.processes.items()}


def cpu_of(pid: int) -> float:
    """User and system time in seconds, with that of children that have ended; 0 for a process that is gone."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return sum(int(field) for field in fields[11:15]) / _TICKS


def resident_of(pid: int) -> int:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def peak_of(pid: int) -> int:
    """The most bytes of memory that a process ever held."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM:"))


def family(pid: int) -> list[int]:
    """A process and its children."""
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except OSError:
        return [pid]
    return [pid, *(int(child) for child in children)]


@asynccontextmanager
async def carrier(folder: Path, *, latency_ms: float) -> AsyncIterator[tuple[str, int]]:
    """The cheap carrier; yields its address and process."""
    arguments = ["-m", "tests.bench.carrier", "--account-sid", ACCOUNT_SID, "--auth-token", AUTH_TOKEN]
    arguments += ["--latency-ms", str(latency_ms)]
    process = start(arguments, folder / "carrier.log")
    try:
        yield (await first_line(process))["url"], process.child.pid
    finally:
        process.kill()


@dataclass(frozen=True, slots=True)
class Wanted:
    """``processes`` of ``relay serve``; ``settings`` of Relay and of PostgreSQL beyond the usual. ``program``: Relay, or
    something that becomes Relay when it has changed something about it. ``named``: more sessions, in which nobody texts."""

    sessions: int = 100_000
    pools: int = POOLS
    latency_ms: float = 0.0
    processes: int = 1
    settings: Mapping[str, str] = field(default_factory=dict)
    postgres: Mapping[str, str] = field(default_factory=dict)
    program: str = "relay"
    named: int = 0


@asynccontextmanager
async def relay_place(folder: Path, wanted: Wanted) -> AsyncIterator[Place]:
    """Relay, as ``relay serve`` runs it, over so many open sessions."""
    await asyncio.to_thread(folder.mkdir, parents=True, exist_ok=True)
    with start_embedded(folder / "postgres", binaries=binaries(), settings=wanted.postgres) as server:
        await migrate_now(server.dsn)
        ring = folder / "keyring.json"
        keyring_file.save_new(keyring.make(), ring)
        key, connection = await furnish(server.dsn, ring, wanted)
        url = f"http://127.0.0.1:{free_port()}"
        async with carrier(folder, latency_ms=wanted.latency_ms) as (carrier_url, carrier_pid):
            environment = {
                "RELAY_DATABASE_URL": server.dsn,
                "RELAY_KEYRING": str(ring),
                "RELAY_PUBLIC_URL": url,
                "RELAY_CARRIER_URL": carrier_url,
                "RELAY_API_RATE": "100000",
                "RELAY_LEG_RATE": "0",  # more is said in a moment than people say
                "RELAY_PERSON_RATE": "0",
                **wanted.settings,
            }
            async with serving(folder, url, environment, wanted) as pids:
                inbound = f"{url}/hooks/{connection}/inbound"
                everybody = {**pids, "carrier": carrier_pid}
                yield Place(inbound, wanted.sessions, server, carrier_url, everybody, url, key, wanted.pools)


@asynccontextmanager
async def baseline_place(folder: Path, build: Build, wanted: Wanted) -> AsyncIterator[Place]:
    """Another build over the same conversations."""
    await asyncio.to_thread(folder.mkdir, parents=True, exist_ok=True)
    with start_embedded(folder / "postgres", binaries=binaries(), settings=wanted.postgres) as server:
        talks = (talk for pairing in pairings(wanted.sessions) for talk in pairing.talks())
        await tables.furnish(server.dsn, ((t.number, t.sender, t.shown, t.recipient) for t in talks))
        port = free_port()
        url = f"http://127.0.0.1:{port}"
        async with carrier(folder, latency_ms=wanted.latency_ms) as (carrier_url, carrier_pid):
            environment = {
                "BENCH_DATABASE_URL": server.dsn,
                "BENCH_CARRIER_URL": carrier_url,
                "BENCH_PUBLIC_URL": url,
                "BENCH_PORT": str(port),
                "BENCH_ACCOUNT_SID": ACCOUNT_SID,
                "BENCH_AUTH_TOKEN": AUTH_TOKEN,
            }
            process = start(build.command(port)[1:], folder / f"{build.name}.log", environment)
            try:
                await _healthy(url)
                pids = {build.name: process.child.pid, "carrier": carrier_pid}
                yield Place(f"{url}/inbound", wanted.sessions, server, carrier_url, pids)
            finally:
                process.stop()


async def _healthy(url: str) -> None:
    async with httpx.AsyncClient(base_url=url, timeout=5) as client:
        for _ in range(600):
            with suppress(httpx.TransportError):
                if (await client.get("/healthz")).status_code == 200:
                    return
            await asyncio.sleep(0.05)
    raise AssertionError("a build does not start")


@asynccontextmanager
async def serving(
    folder: Path, url: str, environment: Mapping[str, str], wanted: Wanted
) -> AsyncIterator[dict[str, int]]:
    """``relay serve``, ready, and owning every bucket; yields its processes by name."""
    processes = wanted.processes
    command = ["-m", wanted.program, "serve", "--port", url.rpartition(":")[2], "--workers", str(processes)]
    process = start(command, folder / "relay.log", environment)
    try:
        await until(lambda: [line["event"] for line in process.lines()].count("ready") == processes, process)
        await asyncio.sleep(2.0)  # the leases are taken by then
        pids = family(process.child.pid)[1:] if processes > 1 else [process.child.pid]
        yield {f"relay {n}": pid for n, pid in enumerate(pids, 1)}
    finally:
        process.stop()


async def furnish(dsn: str, ring: Path, wanted: Wanted) -> tuple[str, str]:
    """An account with about 1,000 numbers and so many pools and open sessions; returns its key and its connection."""
    plain = await asyncpg.connect(dsn)
    async with open_relay(read_settings(keyring=ring), dsn) as relay:
        now = await relay.database.now()
        account = await relay.accounts.add("bench")
        credentials = {"account_sid": ACCOUNT_SID, "auth_token": AUTH_TOKEN}
        connection = await relay.connections.add(account, "twilio", credentials, Seed(now, secrets.token_bytes(10)))
        key = await relay.keys.add(account, name="bench", scopes=list(Scope))
        seeds = [Seed(now, secrets.token_bytes(10)) for _ in range(wanted.pools)]
        pools = [await relay.pools.add(account, f"pool {n}", seed) for n, seed in enumerate(seeds)]
        await add_numbers(plain, pools, connection.id, NUMBER_RATE)
        directory = await relay.configuration.refreshed()
        everybody = pairings(wanted.sessions + wanted.named, pools=wanted.pools)
        await Seeder(relay.vault, directory, pools, now).fill(plain, everybody, unnamed=wanted.sessions)
    await plain.close()
    return key, public(IdKind.CONNECTION, connection.id)
