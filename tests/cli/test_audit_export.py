"""``relay audit export`` on the operator's machine: a pack that is there whole or not at all."""

from __future__ import annotations

import asyncio
import fcntl
import os
import signal
import zipfile
from asyncio.subprocess import DEVNULL
from pathlib import Path

import pytest

from relay.core.notes import NoteKey, parse_key
from relay.evidence.verifying import Wanted, verify_pack
from relay.storage import audit_reading
from relay.vault.log_keys import verify
from relay.wiring import Relay
from tests.cli.command import PROGRAM, Command
from tests.cli.conftest import Shop
from tests.services.waiting import until

pytestmark = pytest.mark.long


def sealed(shop: Shop, events: int = 0) -> NoteKey:
    """The key of the shop's log, with so many events more in it."""

    async def work(house: Relay) -> NoteKey:
        bucket = shop.account.bucket
        async with house.database.transaction() as tx:
            await tx.execute(
                "insert into event (bucket, id, account_id, type, at)"
                " select $1, id, $2, 'pool.ready', $3 from unnest($4::uuid[]) as t(id)",
                bucket, shop.account.id, tx.now, tx.new_ids(bucket, events),
            )  # fmt: skip
        while await house.audit_log.seal(bucket):
            pass
        async with house.database.transaction() as tx:
            (key,) = await audit_reading.signing_keys(tx, bucket, shop.account.id)
        return parse_key(key.verifier)

    return shop.look(work)


def told(shop: Shop) -> int:
    """How many exports the events tell of."""

    async def work(house: Relay) -> int:
        async with house.database.transaction() as tx:
            return int(await tx.fetchval("select count(*) from event where type = 'audit.exported'"))

    return shop.look(work)


def export(out: Path, *more: str) -> tuple[str, ...]:
    return ("audit", "export", "--account", "shop", "--out", str(out), *more)


@pytest.mark.parametrize("name", ["pack.zip", "pack"])
def test_a_pack_is_written_and_verified(relay: Command, shop: Shop, tmp_path: Path, name: str) -> None:
    key, out = sealed(shop, 300), tmp_path / "out" / name
    out.parent.mkdir()
    done = relay(*export(out))
    report = verify_pack(out, Wanted([key], verify))

    assert (done.code, done.stderr) == (0, "")
    assert done.stdout == f"{report.entries} entries of {report.entries} in {out}\n"
    assert report.holds, report.lines()
    assert list(out.parent.iterdir()) == [out]
    assert told(shop) == 1


def test_both_forms_hold_the_same_files(relay: Command, shop: Shop, tmp_path: Path) -> None:
    key = sealed(shop, 5)
    for name in ("pack.zip", "pack"):
        assert relay.inside(*export(tmp_path / name, "--since", "2026-01-01T00:00:00Z")).code == 0
    with zipfile.ZipFile(tmp_path / "pack.zip") as archive:
        zipped = {name: archive.read(name) for name in archive.namelist()}
    there = {path.name: path.read_bytes() for path in (tmp_path / "pack").iterdir()}
    differing = {name for name in there if there[name] != zipped[name]}

    assert zipped.keys() == there.keys()
    assert differing <= {"retention.json", "SHA256SUMS"}  # one export later there is one export more to report
    assert verify_pack(tmp_path / "pack", Wanted([key], verify)).holds


def test_a_bar_is_shown_on_a_terminal(relay: Command, shop: Shop, tmp_path: Path) -> None:
    sealed(shop, 300)

    assert "exporting" in relay.on_terminal(*export(tmp_path / "pack.zip")).stdout


def test_nothing_is_written_over_and_mistakes_are_told_in_one_line(relay: Command, shop: Shop, tmp_path: Path) -> None:
    empty = relay.inside(*export(tmp_path / "pack"))
    sealed(shop)
    (tmp_path / "there.zip").write_text("precious")
    refusals = [
        relay.inside(*export(tmp_path / "there.zip")).refusal,
        relay.inside(*export(tmp_path)).refusal,
        relay.inside(*export(tmp_path / "nowhere" / "pack")).refusal,
        relay.inside(*export(tmp_path / "pack", "--since", "today")).refusal,
    ]

    assert empty.refusal == "relay: nothing is in this log yet"
    assert (tmp_path / "there.zip").read_text() == "precious"
    for refusal, expected in zip(
        refusals, ("is there already", "is there already", "No such file or directory", "since: must be"), strict=True
    ):
        assert expected in refusal
    assert [path.name for path in tmp_path.iterdir() if "pack" in path.name] == []
    assert told(shop) == 0


def test_another_export_into_the_same_place_is_refused(relay: Command, shop: Shop, tmp_path: Path) -> None:
    sealed(shop)
    (tmp_path / "pack.zip.part").mkdir()
    held = os.open(tmp_path / "pack.zip.part", os.O_RDONLY)
    fcntl.flock(held, fcntl.LOCK_EX)
    done = relay.inside(*export(tmp_path / "pack.zip"))
    os.close(held)

    assert "another export is at work in" in done.refusal
    assert not (tmp_path / "pack.zip").exists()


@pytest.mark.parametrize(("name", "number"), [("pack.zip", signal.SIGINT), ("pack", signal.SIGKILL)])
def test_nothing_half_written_is_there_when_it_is_killed_and_the_next_one_begins_anew(
    relay: Command, shop: Shop, tmp_path: Path, name: str, number: signal.Signals
) -> None:
    """It is held up where it reads its first leaves."""
    key, out = sealed(shop, 1500), tmp_path / "out" / name
    out.parent.mkdir()
    part = out.with_name(f"{name}.part")

    async def has_begun() -> bool:
        return (part / name).exists()

    async def killed(house: Relay) -> None:
        async with house.database.transaction() as tx:
            await tx.execute("set local idle_in_transaction_session_timeout = 0")
            await tx.execute("lock table audit_tile")
            process = await asyncio.create_subprocess_exec(
                *PROGRAM, *export(out), env=relay.environment(), stderr=DEVNULL
            )
            await until(has_begun, within=30)
            process.send_signal(number)
            await process.wait()

    shop.look(killed)
    left = [path.name for path in out.parent.iterdir()]
    done = relay(*export(out))

    assert left == ([] if number == signal.SIGINT else [part.name])
    assert done.code == 0, done
    assert verify_pack(out, Wanted([key], verify)).holds
    assert list(out.parent.iterdir()) == [out]
