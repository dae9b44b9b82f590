"""``relay audit export``: an evidence pack of an account's log, made on the operator's machine out of the database."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Annotated

import typer

from relay.api.privacy import report_json
from relay.cli.administration import OfAccount, administer, new_seed
from relay.cli.progress import bar
from relay.cli.running import told
from relay.core.exporting import read_period
from relay.evidence.placing import appearing
from relay.evidence.streaming import PackStream
from relay.evidence.writing import Contents, PackWriter
from relay.storage.audit_exports import Export
from relay.wiring import Relay

Progress = Callable[[int, int], None]


def export(
    account: OfAccount,
    out: Annotated[
        Path, typer.Option(help="Where to: a name that ends in .zip, or a folder. It must not be there yet")
    ],
    since: Annotated[str | None, typer.Option(help="Only entries since then, such as 2026-11-20T08:00:00Z")] = None,
    until: Annotated[str | None, typer.Option(help="Only entries before then")] = None,
) -> None:
    """Write an evidence pack of an account's audit log. It is there whole or not at all, and that it was made is in the log."""
    with told():
        period = read_period(since, until)

    async def work(relay: Relay) -> None:
        owner = await relay.accounts.by_name(account)
        with appearing(out) as made:
            report = report_json(await relay.retention.report(owner))
            asked = await relay.audit_exports.ask(owner, period, report, key_id=None, seed=await new_seed(relay))
            contents = await relay.audit_exports.contents(asked)
            with bar("exporting") as shown:
                await (_zip if out.suffix == ".zip" else _folder)(relay, asked, contents, made, shown)
        typer.echo(f"{asked.end_n - asked.first_n} entries of {contents.about().size} in {out}")

    administer(work)


async def _zip(relay: Relay, asked: Export, contents: Contents, made: Path, shown: Progress) -> None:
    with PackStream(contents) as pack, made.open("xb") as stream:
        async for done, size in _steps(relay, asked, pack):
            stream.write(pack.taken())
            shown(done, size)
        stream.write(pack.taken())
        stream.flush()
        os.fsync(stream.fileno())


async def _folder(relay: Relay, asked: Export, contents: Contents, made: Path, shown: Progress) -> None:
    with PackWriter(made, contents) as pack:
        async for done, size in _steps(relay, asked, pack):
            shown(done, size)


async def _steps(relay: Relay, asked: Export, pack: PackStream | PackWriter) -> AsyncIterator[tuple[int, int]]:
    """How many leaves and entries of how many are in the pack."""
    about, done = pack.about, 0
    size = about.size + about.end - about.first
    async for more in relay.audit_exports.fill(asked, pack):
        done += more
        yield done, size
