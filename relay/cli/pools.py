"""``relay pools``: the numbers that sessions draw from."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from relay.api.numbers import pool_json, report_json
from relay.cli.administration import (
    AsJson,
    OfAccount,
    OnlyAccount,
    accounts_meant,
    administer,
    looking_up,
    name,
    new_seed,
)
from relay.cli.printing import print_facts, print_listing
from relay.cli.running import say
from relay.core.hooks import HookKind, OnTimeout
from relay.core.ids import IdKind, public
from relay.services.pools import PoolReport
from relay.wiring import Relay

app = typer.Typer(help="Pools of numbers.", no_args_is_help=True)

_COLUMNS = ("id", "account", "name", "status", "require_verified", "created_at")


@app.command("add")
def add(account: OfAccount, pool: Annotated[str, typer.Argument(metavar="NAME", callback=name)]) -> None:
    """Make a pool; its id is printed. Sessions that name no pool draw from the one called default."""

    async def work(relay: Relay) -> None:
        made = await relay.pools.add(await relay.accounts.by_name(account), pool, await new_seed(relay))
        typer.echo(public(IdKind.POOL, made.id))
        say(f"made the pool {pool}; it is empty until `relay numbers add`")

    administer(work)


@app.command("set")
def change(
    account: OfAccount,
    pool: Annotated[str, typer.Argument(metavar="NAME_OR_ID")],
    require_verified: Annotated[
        bool, typer.Option(help="Must people have proved their phone by a code to be in a session?")
    ],
) -> None:
    """Say whether sessions in a pool take people without a proof."""

    async def work(relay: Relay) -> None:
        owner = await relay.accounts.by_name(account)
        with looking_up("pool", account, "pools list"):
            changed = await relay.pools.change(owner, pool, require_verified=require_verified)
        say(f"{changed.name} takes {'people who proved their phone' if changed.require_verified else 'everybody'}")

    administer(work)


@app.command("hook")
def hook(
    account: OfAccount,
    pool: Annotated[str, typer.Argument(metavar="NAME_OR_ID")],
    url: Annotated[str, typer.Argument(metavar="URL")] = "",
    kind: Annotated[HookKind, typer.Option("--kind", help="What is it asked about?")] = HookKind.INTERCEPT,
    timeout: Annotated[int, typer.Option(help="Seconds to wait for an answer, 1 to 10")] = 3,
    on_timeout: Annotated[OnTimeout, typer.Option(help="What happens when none comes")] = OnTimeout.REFUSE,
    remove: Annotated[bool, typer.Option("--remove", help="Ask nobody any more")] = False,
) -> None:
    """Have your own server asked about a pool's texts: before one leaves, or when nobody is there to get it. The secret of a new
    hook is printed, this once."""

    async def work(relay: Relay) -> None:
        owner = await relay.accounts.by_name(account)
        with looking_up("pool", account, "pools list"):
            found = await relay.pools.find(owner, pool)
        if remove:
            await relay.hooks.remove(found, kind)
            say(f"the {kind} hook of {found.name} is gone")
            return
        wanted = relay.hooks.read(kind, url, timeout, on_timeout)
        if secret := await relay.hooks.set(found, wanted):
            typer.echo(secret)
        say(f"the {kind} hook of {found.name} is set")

    administer(work)


@app.command("list")
def list_pools(account: OnlyAccount = None, as_json: AsJson = False) -> None:
    """Pools, and whether sessions may be opened in them."""

    async def work(relay: Relay) -> None:
        owners = await accounts_meant(relay, account)
        documents = [{**pool_json(p), "account": o.name} for o in owners for p in await relay.pools.listed(o)]
        print_listing(documents, columns=_COLUMNS, as_json=as_json)

    administer(work)


@app.command("show")
def show(
    account: OfAccount, pool: Annotated[str, typer.Argument(metavar="NAME_OR_ID")], as_json: AsJson = False
) -> None:
    """How full a pool is."""

    async def work(relay: Relay) -> None:
        owner = await relay.accounts.by_name(account)
        with looking_up("pool", account, "pools list"):
            report = await relay.pools.report(owner, pool)
        print_facts(report_json(report) if as_json else _facts(report), as_json=as_json)

    administer(work)


def _facts(report: PoolReport) -> dict[str, Any]:
    """A report for people: one line for the numbers of each country."""
    document = report_json(report)
    for country, states in document.pop("numbers").items():
        document[f"numbers in {country}"] = ", ".join(f"{count} {state}" for state, count in states.items())
    return document
