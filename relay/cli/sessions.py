"""``relay sessions``: closing many of them at once."""

from __future__ import annotations

import asyncio
from typing import Annotated
from uuid import UUID

import typer

from relay.api.bulk_close import progress_json
from relay.cli.administration import AsJson, OfAccount, administer, at_least_one, looking_up, new_seed
from relay.cli.printing import print_facts
from relay.cli.progress import bar
from relay.cli.running import say
from relay.core.bulk_closing import SessionsMeant
from relay.core.times import read_time
from relay.storage.configuration import Account
from relay.wiring import Relay

app = typer.Typer(help="Sessions.", no_args_is_help=True)

_PAUSE = 0.2  # seconds, while somebody else works on a bucket


@app.callback()
def group() -> None:
    """Sessions."""


OfPool = Annotated[str | None, typer.Option("--pool", help="Only in this pool, by name or id")]
Named = Annotated[str | None, typer.Option("--name-prefix", help="Only those whose unique_name begins so")]
Before = Annotated[str | None, typer.Option(help="Only those opened before, such as 2026-11-20T08:00:00Z")]
Silent = Annotated[str | None, typer.Option(help="Only those in which nobody has written since then")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Only say how many there are")]
Sure = Annotated[bool, typer.Option("--yes", help="Do not ask")]


@app.command("close")
def close(
    account: OfAccount,
    pool: OfPool = None,
    name_prefix: Named = None,
    created_before: Before = None,
    idle_since: Silent = None,
    dry_run: DryRun = False,
    yes: Sure = False,
    as_json: AsJson = False,
) -> None:
    """Close all open sessions that are meant; what is in flight keeps going. Works with and without a server running."""
    at_least_one(pool=pool, name_prefix=name_prefix, created_before=created_before, idle_since=idle_since)

    async def work(relay: Relay) -> None:
        owner = await relay.accounts.by_name(account)
        meant = SessionsMeant(
            await _pool_id(relay, owner, pool) if pool else None,
            name_prefix,
            read_time("--created-before", created_before) if created_before else None,
            read_time("--idle-since", idle_since) if idle_since else None,
        )
        found = await relay.bulk_close.count(owner, meant)
        say(f"{found} open session{'' if found == 1 else 's'} of {account}")
        if dry_run or not found or not (yes or typer.confirm("close them?", err=True)):
            return
        print_facts(await _close(relay, owner, meant), as_json=as_json)

    administer(work)


async def _pool_id(relay: Relay, owner: Account, pool: str) -> UUID:
    with looking_up("pool", owner.name, "pools list"):
        return (await relay.pools.find(owner, pool)).id


async def _close(relay: Relay, owner: Account, meant: SessionsMeant) -> dict[str, object]:
    """Close them here, whoever else is at it; a part is one's at a time."""
    asked_id = await relay.bulk_close.ask(owner, meant, await new_seed(relay))
    with bar("closing") as show:
        while True:
            asked, progress = await relay.bulk_close.read(owner, asked_id)
            show(progress.closed, progress.matched)
            if progress.is_done:
                return progress_json(asked, progress)
            if not sum([await relay.bulk_close.work(bucket) for bucket in asked.buckets]):
                await asyncio.sleep(_PAUSE)
