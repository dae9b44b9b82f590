"""``relay audit witness-key``: whose cosignatures an account's log takes. The operator's, like ``export``."""

from __future__ import annotations

from typing import Annotated

import typer

from relay.api.audit_witnesses import witness_json
from relay.cli.administration import AsJson, OfAccount, administer, looking_up, new_seed
from relay.cli.printing import print_listing
from relay.cli.running import say
from relay.core import ids
from relay.core.ids import IdKind, public
from relay.wiring import Relay

app = typer.Typer(help="Witnesses whose cosignatures the log takes.", no_args_is_help=True)

_COLUMNS = ("id", "name", "size", "signed_at", "added_at")


@app.command("add")
def add(
    account: OfAccount,
    key: Annotated[
        str, typer.Argument(metavar="KEY", help="Its public key, as `relay audit witness --make-key` printed it")
    ],
) -> None:
    """Take a witness's word from now on. Its id stands alone on stdout."""

    async def work(relay: Relay) -> None:
        owner = await relay.accounts.by_name(account)
        found = await relay.audit_witnesses.add(owner, key, await new_seed(relay))
        typer.echo(public(IdKind.WITNESS, found.id))
        say(f"{witness_json(found)['name']} is shown as a witness when it has cosigned a head")

    administer(work)


@app.command("list")
def list_witnesses(account: OfAccount, as_json: AsJson = False) -> None:
    """Witnesses, and the newest head that each has cosigned."""

    async def work(relay: Relay) -> None:
        found = await relay.audit_witnesses.listed(await relay.accounts.by_name(account))
        print_listing([witness_json(witness) for witness in found], columns=_COLUMNS, as_json=as_json)

    administer(work)


@app.command("remove")
def remove(account: OfAccount, witness_id: Annotated[str, typer.Argument(metavar="WITNESS_ID")]) -> None:
    """Take its word no more. What it has cosigned is shown no more either."""

    async def work(relay: Relay) -> None:
        owner = await relay.accounts.by_name(account)
        with looking_up("witness", account, "audit witness-key list"):
            await relay.audit_witnesses.remove(owner, ids.parse(IdKind.WITNESS, witness_id))
        say("removed")

    administer(work)
