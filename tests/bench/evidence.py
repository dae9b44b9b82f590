"""``python -m tests.bench.evidence [entries]``: a log of a million entries, exported by the server and verified offline.

The log is filled by COPY with what our own code makes of events: records, salts, leaves, tiles, a signed head. What is measured
is the product: ``relay serve``, an export that it is asked for, the download, and ``relay audit verify`` on what came of it.
"""

from __future__ import annotations

import asyncio
import os
import re
import secrets
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import asyncpg
import httpx

from relay.cli.schema import migrate_now
from relay.core.entries import (
    REF_KEY_BYTES,
    SALT_BYTES,
    Direction,
    Fact,
    Thing,
    coarsened,
    leaf_of,
    record_of,
    reference,
)
from relay.core.ids import IdKind, Seed, first_id_at, public
from relay.core.model import Scope
from relay.core.notes import Checkpoint
from relay.core.tiles import Growth
from relay.settings import read_settings
from relay.storage import audit_log
from relay.storage.configuration import Account
from relay.storage.embedded import start_embedded
from relay.vault import keyring, keyring_file
from relay.wiring import Relay, open_relay
from tests.bench.place import Wanted, binaries, free_port, serving
from tests.bench.runs import Result

ENTRIES = 1_000_000
AIM = 60.0  # seconds, for each of the two
_AT_ONCE = 20_000
_TEXTS_EACH = 40  # entries of one session
_SOME = 2**20  # bytes
_COLUMNS = (
    *("bucket", "account_id", "n", "event_id", "entry_ref", "session_ref", "type", "reason", "at", "salt", "record"),
    "sealed_at",
)

Told = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Served:
    """A server over the filled log: the pid of its process, a key of its API, and the log's public key."""

    url: str
    pid: int
    api_key: str
    log_key: str


async def evidence(folder: Path, told: Told, count: int = ENTRIES) -> list[Result]:
    """The log exported and verified; and packs written and verified with no server and no database."""
    async with _server(folder, told, count) as served:
        told(f"{count:,} entries exported over HTTP")
        exported = await _exported(served, folder / "pack.zip", count)
    told(f"{count:,} entries verified offline")
    verified = await asyncio.to_thread(_verified, folder / "pack.zip", served.log_key, count)
    told(f"{count:,} entries, packs alone")
    alone = await asyncio.to_thread(_packs_alone, count)
    return [exported, verified, alone]


@asynccontextmanager
async def _server(folder: Path, told: Told, count: int) -> AsyncIterator[Served]:
    await asyncio.to_thread(folder.mkdir, parents=True, exist_ok=True)
    with start_embedded(folder / "postgres", binaries=binaries()) as server:
        await migrate_now(server.dsn)
        ring, url = folder / "keyring.json", f"http://127.0.0.1:{free_port()}"
        keyring_file.save_new(keyring.make(), ring)
        told(f"{count:,} entries are made")
        async with open_relay(read_settings(keyring=ring, public_url=url), server.dsn) as relay:
            account = await relay.accounts.add("bench")
            key = await relay.keys.add(account, name="bench", scopes=list(Scope))
            log_key = await _fill(relay, server.dsn, account, count)
        environment = {"RELAY_DATABASE_URL": server.dsn, "RELAY_KEYRING": str(ring), "RELAY_PUBLIC_URL": url}
        async with serving(folder, url, environment, Wanted()) as pids:
            yield Served(url, next(iter(pids.values())), key, log_key)


async def _fill(relay: Relay, dsn: str, account: Account, count: int) -> str:
    """A log of so many entries, as sealing would have made it; returns its public key."""
    now, bucket = await relay.database.now(), account.bucket
    origin = f"{urlsplit(relay.public_url).netloc}/log/{public(IdKind.ACCOUNT, account.id)}"
    key, growth = secrets.token_bytes(REF_KEY_BYTES), Growth(0, {})
    async with relay.database.transaction() as tx:
        await audit_log.begin(tx, bucket, account.id, origin=origin, reference_key=key)
    plain = await asyncpg.connect(dsn)
    facts = _facts(account, now, count)
    for first in range(0, count, _AT_ONCE):
        rows, leaves = [], []
        for n, fact in zip(range(first, min(first + _AT_ONCE, count)), facts, strict=False):
            salt, record = secrets.token_bytes(SALT_BYTES), record_of(fact, key)
            leaves.append(leaf_of(salt, record))
            rows.append(_row(n, fact, key, salt, record, now))
        growth.take(leaves)
        await plain.copy_records_to_table("audit_entry", records=rows, columns=_COLUMNS)
    tiles = [(bucket, account.id, place.level, place.index, bytes(tile)) for place, tile in growth.changed.items()]
    columns = ("bucket", "account_id", "level", "n", "hashes")
    await plain.copy_records_to_table("audit_tile", records=tiles, columns=columns)
    await plain.execute("analyze")
    await plain.close()
    head = relay.vault.log_keys.head(Checkpoint(origin, growth.size, growth.root()))
    signers = relay.vault.log_keys.of(origin)
    async with relay.database.transaction() as tx:
        await audit_log.note_keys(tx, bucket, account.id, growth.size, {one.id: one.key.written() for one in signers})
        await audit_log.grow(tx, bucket, account.id, old=0, new=growth.size, checkpoint=head.written())
    return signers[0].key.written()


def _facts(account: Account, now: datetime, count: int) -> Iterator[Fact]:
    """Texts of sessions, spread over a month that ended a month ago: their events are forgotten by now."""
    began, step = now - timedelta(days=61), timedelta(days=30) / count
    for n in range(count):
        at = began + n * step
        session = first_id_at(account.bucket, began + n // _TEXTS_EACH * step)
        message = first_id_at(account.bucket, began + (n // 3 * 3) * step)
        event = Seed(at, n.to_bytes(10, "big")).id_in(account.bucket)
        word = ("received", "accepted", "delivered")[n % 3]
        way = Direction.OUT if n % 3 else Direction.IN
        yield Fact(
            event, account.id, f"message.{word}", at, session_id=session, participant_id=session, message_id=message,
            direction=way, segments=1, provider="twilio", country="US",
        )  # fmt: skip


def _row(n: int, fact: Fact, key: bytes, salt: bytes, record: bytes, now: datetime) -> tuple[Any, ...]:
    assert fact.session_id is not None
    refs = (reference(key, Thing.ENTRY, fact.id), reference(key, Thing.SESSION, fact.session_id))
    at, bucket = coarsened(fact.type, fact.at), fact.account_id.int & 1023
    return (bucket, fact.account_id, n, fact.id, *refs, fact.type, None, at, salt, record, now)


async def _exported(served: Served, out: Path, count: int) -> Result:
    result, size = Result(f"{count:,} entries exported over HTTP (entries/s)"), 0
    before, used = _resident(served.pid), _used(served.pid)
    async with httpx.AsyncClient(base_url=served.url, timeout=600) as client:
        headers = {"authorization": f"Bearer {served.api_key}"}
        began = time.monotonic()
        asked = await client.post("/v1/audit/exports", json={}, headers=headers)
        if asked.status_code != 201:
            result.broken.append(f"an export was answered {asked.status_code}")
            return result
        with out.open("wb") as file:
            async with client.stream("GET", urlsplit(asked.json()["download"]["url"]).path) as answer:
                async for piece in answer.aiter_raw(_SOME):
                    size += file.write(piece)
        took = time.monotonic() - began
    result.rates.append(asked.json()["entries"] / took)
    result.notes["took"] = _held_against_aim(took)
    result.notes["server's CPU"] = f"{_used(served.pid) - used:.1f} s"
    result.notes["pack"] = f"{size / 1e6:.0f} MB"
    result.notes["server's memory before, and at most, MB"] = f"{before['VmRSS']} {_resident(served.pid)['VmHWM']}"
    return result


def _verified(pack: Path, log_key: str, count: int) -> Result:
    result = Result(f"{count:,} entries verified offline (entries/s)")
    began = time.monotonic()
    said, code, most, used = _child(["-m", "relay", "audit", "verify", str(pack), "--key", log_key])
    took = time.monotonic() - began
    result.rates.append(count / took)
    result.notes["took"] = _held_against_aim(took)
    result.notes["said"] = said.splitlines()[-1] if said else "nothing"
    result.notes["verifier's CPU"] = f"{used:.1f} s"
    result.notes["verifier's memory at most, MB"] = str(most)
    if code:
        result.broken.append("the pack is not verified")
    return result


def _packs_alone(count: int) -> Result:
    result = Result(f"{count:,} entries, packs alone (entries/s)")
    for line in _child(["-m", "tests.bench.packs", str(count)])[0].splitlines():
        what, _, said = line.partition(": ")
        result.notes[what] = said
    rates = [re.search(r"([\d,]+) a second", said) for said in result.notes.values()]
    result.rates += [float(rate[1].replace(",", "")) for rate in rates[:1] if rate]
    return result


def _held_against_aim(took: float) -> str:
    return f"{took:.1f} s; aim {AIM:.0f} s for a million"


def _child(arguments: list[str]) -> tuple[str, int, int, float]:
    """Run ``python ...``: what it printed, its exit code, the most memory that it held (MB), its CPU seconds.

    Looked at while it runs: what the system says at the end counts the memory of whoever started it, too.
    """
    with tempfile.TemporaryFile("w+") as told, subprocess.Popen([sys.executable, *arguments], stdout=told) as process:
        most, (pid, status, used) = 0, os.wait4(process.pid, os.WNOHANG)
        while not pid:
            with suppress(OSError, KeyError):  # it has just ended
                most = max(most, _resident(process.pid)["VmHWM"])
            time.sleep(0.02)
            pid, status, used = os.wait4(process.pid, os.WNOHANG)
        process.returncode = os.waitstatus_to_exitcode(status)
        told.seek(0)
        return told.read(), process.returncode, most, used.ru_utime + used.ru_stime


def _used(pid: int) -> float:
    """Seconds of a processor that a process has used so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _resident(pid: int) -> dict[str, int]:
    """What a process holds, and the most that it ever held: MB."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return {
        name: int(rest.split()[0]) // 1024 for name, _, rest in (line.partition(":") for line in lines) if "kB" in rest
    }


async def _main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else ENTRIES
    with tempfile.TemporaryDirectory(prefix="evidence-") as folder:
        for result in await evidence(Path(folder), print, count):
            print(f"{result.name}: {result.rate:,.0f} a second")
            for what, said in result.notes.items():
                print(f"    {what}: {said}")
            for promise in result.broken:
                print(f"    BROKEN {promise}")


if __name__ == "__main__":
    asyncio.run(_main())
