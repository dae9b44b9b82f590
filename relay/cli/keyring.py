"""``relay keyring``: the file of keys without which no phone and no text of this installation can be read."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from relay.cli.administration import AsJson, administer
from relay.cli.printing import print_listing
from relay.cli.running import say, told
from relay.core.keys import KEPT_FOR, KeyName, Purpose
from relay.services.rotation import KeyStatus
from relay.vault import keyring, keyring_file
from relay.wiring import Relay

_TAKE_TURNS = (*KEPT_FOR, Purpose.LOG)  # of the last, old ones are kept: heads that they signed are still to be checked

app = typer.Typer(help="The keys that seal phones and texts.", no_args_is_help=True)


@app.callback()
def group() -> None:
    """The keys that seal phones and texts."""


@app.command("make")
def make(path: Annotated[Path, typer.Argument(help="Where there is no file yet")]) -> None:
    """Make the keyring of a new installation, readable by you alone. A file that is there is never written over."""
    with told():
        keyring_file.save_new(keyring.make(), path)
    say(f"made {path}; name it in RELAY_KEYRING and keep a copy somewhere safe, apart from the database's backups:")
    say("without this file every phone, text and credential in the database is lost")


@app.command("rotate")
def rotate(
    purpose: Annotated[
        list[Purpose] | None, typer.Option(help="Make this one's next key now, whether it is due or not")
    ] = None,
) -> None:
    """Make the keys that are due. They begin to seal an hour later, once every running process has them."""
    if others := [p for p in purpose or [] if p not in _TAKE_TURNS]:
        raise typer.BadParameter(f"keys for {', '.join(others)} are kept: {', '.join(_TAKE_TURNS)} take turns")

    async def work(relay: Relay) -> None:
        new = await relay.rotation.rotate(purpose)
        if not new:
            say("no key is due")
        for name in new:
            typer.echo(name)
            say(f"made {name}: copy the keyring to every machine that has one of its own, and to its backup")

    administer(work)


@app.command("prune")
def prune() -> None:
    """Destroy the keys of weeks and days that are over: what they sealed is unreadable from then on, in every backup."""

    async def work(relay: Relay) -> None:
        gone, spared = await relay.rotation.prune()
        for name in gone:
            typer.echo(name)
            say(f"destroyed {name}; destroy it in the keyring's backups, too")
        for one in spared:
            why = f"{one.sealers} process(es) still seal with it" if one.sealers else f"{one.values} values need it"
            say(f"kept {one.name}: {why}")
        if not gone and not spared:
            say("nothing is over")

    administer(work)


@app.command("status")
def status(as_json: AsJson = False) -> None:
    """Every key: what it does, since when it may seal, and how many of the running processes have it."""

    async def work(relay: Relay) -> None:
        columns = ("purpose", "key", "state", "use_from", "processes_with_it", "processes")
        print_listing([_json(key) for key in await relay.rotation.status()], columns=columns, as_json=as_json)

    administer(work)


def _json(key: KeyStatus) -> dict[str, Any]:
    name: KeyName = key.name
    return {
        "purpose": str(name.purpose),
        "key": name.id,
        "state": key.state,
        "use_from": key.use_from.isoformat() if key.use_from else None,
        "processes_with_it": key.holders.have,
        "processes": key.holders.alive,
    }
