"""``relay numbers``: the numbers that accounts rent. They are no personal data and may be arguments and output.

Many are added at once, and one that cannot be added does not keep back the others. It is named by its place on the
command line and not repeated: what is not one of our numbers may be somebody's phone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated
from uuid import UUID

import typer
from rich.progress import track

from relay.api.numbers import number_json
from relay.cli.administration import (
    AsJson,
    OfAccount,
    OnlyAccount,
    Rate,
    accounts_meant,
    administer,
    at_least_one,
    looking_up,
    new_seed,
)
from relay.cli.printing import print_listing
from relay.cli.running import err, say
from relay.core import ids
from relay.core.errors import CallerMistake, NotFound
from relay.core.ids import IdKind, public
from relay.core.model import NumberState
from relay.core.phone import parse_number
from relay.services.numbers import NumberView, NumberWanted
from relay.storage.configuration import Account, Number, Pool
from relay.wiring import Relay

app = typer.Typer(help="The numbers that people text.", no_args_is_help=True)

_COLUMNS = ("id", "account", "number", "country", "kind", "pool", "state", "rate", "in_use")

InPool = Annotated[str, typer.Option("--pool", help="Name or id of the pool")]
Over = Annotated[str, typer.Option("--connection", metavar="CONNECTION_ID", help="Whose provider carries them")]
NewNumbers = Annotated[list[str], typer.Argument(metavar="NUMBER...", help="E.164 with its plus, or a short code")]
Reserved = Annotated[bool, typer.Option("--reserved", help="Keep them out of new sessions for now")]
Country = Annotated[str | None, typer.Option(help="Country of short codes, ISO 3166-1: US")]
NumberId = Annotated[str, typer.Argument(metavar="NUMBER_ID")]


@dataclass(frozen=True, slots=True)
class _Import:
    """What all numbers of one command line have in common."""

    pool: str
    connection: str
    rate: float | None
    reserved: bool
    country: str | None


@app.command("add")
def add(
    numbers: NewNumbers,
    *,
    account: OfAccount,
    pool: InPool,
    connection: Over,
    rate: Rate = None,
    reserved: Reserved = False,
    country: Country = None,
) -> None:
    """Bring numbers into a pool; prints the id and the number of each. Exit 1 when one could not be added."""
    common = _Import(pool, connection, rate, reserved, country)

    async def work(relay: Relay) -> None:
        owner = await relay.accounts.by_name(account)
        refused = await _add_all(relay, owner, common, numbers)
        say(f"added {len(numbers) - len(refused)} of {len(numbers)} to the pool {pool}")
        for place, why in refused:
            say(f"relay: number {place} of {len(numbers)} was not added: {why}")
        if refused:
            raise typer.Exit(1)

    administer(work)


async def _add_all(relay: Relay, owner: Account, common: _Import, numbers: Sequence[str]) -> list[tuple[int, str]]:
    """Add what can be added, print each; returns the place of every other one, and why."""
    pool, connection_id = await _pool(relay, owner, common.pool), await _connection(relay, owner, common.connection)
    refused: list[tuple[int, str]] = []
    bar = track(numbers, "adding", console=err, transient=True, disable=not err.is_terminal)
    for place, text in enumerate(bar, start=1):
        try:
            facts = parse_number(text, common.country)
            wanted = NumberWanted(facts, pool, connection_id, common.rate, common.reserved)
            made = await relay.numbers.add(owner, wanted, await new_seed(relay))
        except CallerMistake as mistake:
            refused.append((place, mistake.message))
        else:
            typer.echo(f"{public(IdKind.NUMBER, made.number.id)}  {made.number.e164}")
    return refused


async def _pool(relay: Relay, owner: Account, pool: str) -> Pool:
    with looking_up("pool", owner.name, "pools list"):
        return await relay.pools.find(owner, pool)


async def _connection(relay: Relay, owner: Account, connection: str) -> UUID:
    with looking_up("connection", owner.name, "connections list"):
        return (await relay.connections.read(owner, ids.parse(IdKind.CONNECTION, connection))).id


@app.command("list")
def list_numbers(account: OnlyAccount = None, as_json: AsJson = False) -> None:
    """Numbers, their state, and how many people hold each, in open or cooling sessions."""

    async def work(relay: Relay) -> None:
        owners = await accounts_meant(relay, account)
        documents = [{**number_json(v), "account": o.name} for o in owners for v in await relay.numbers.listed(o)]
        print_listing(documents, columns=_COLUMNS, as_json=as_json)

    administer(work)


@app.command("set")
def change(
    number_id: NumberId,
    state: Annotated[NumberState | None, typer.Option(help="Only ready ones are given to new sessions")] = None,
    rate: Rate = None,
) -> None:
    """Reserve, drain, quarantine or free a number; change its pace."""
    at_least_one(state=state, rate=rate)

    async def work(relay: Relay) -> None:
        owner, number = await _find(relay, number_id)
        changed: NumberView = await relay.numbers.change(owner, number.id, state=state, rate=rate)
        say(f"{changed.number.e164} is {changed.state}, {changed.number.rate:g} segments per second")

    administer(work)


@app.command("remove")
def remove(number_id: NumberId) -> None:
    """Take a number out: it drains, and goes once nobody holds it. Run it again until it is gone."""

    async def work(relay: Relay) -> None:
        owner, number = await _find(relay, number_id)
        await relay.numbers.remove(owner, number.id)
        say(f"removed {number.e164}")

    administer(work)


async def _find(relay: Relay, number_id: str) -> tuple[Account, Number]:
    """A number of whichever account. Raises NotFound."""
    directory = await relay.configuration.refreshed()
    try:
        found = directory.numbers[ids.parse(IdKind.NUMBER, number_id)]
    except (KeyError, NotFound):
        raise NotFound("there is no such number: see `relay numbers list`") from None
    return directory.accounts[found.account_id], found
