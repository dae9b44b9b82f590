"""``relay keyring``: the file of keys without which no phone and no text of this installation can be read."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from relay.cli.running import say, told
from relay.vault import keyring

app = typer.Typer(help="The keys that seal phones and texts.", no_args_is_help=True)


@app.callback()
def group() -> None:
    """The keys that seal phones and texts."""


@app.command("make")
def make(path: Annotated[Path, typer.Argument(help="Where there is no file yet")]) -> None:
    """Make the keyring of a new installation, readable by you alone. A file that is there is never written over."""
    with told():
        keyring.save_new(keyring.make(), path)
    say(f"made {path}; name it in RELAY_KEYRING and keep a copy somewhere safe, apart from the database's backups:")
    say("without this file every phone, text and credential in the database is lost")
