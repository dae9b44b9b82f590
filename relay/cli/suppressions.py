"""``relay suppressions``: whom an account must not text. Lists come in as files; phones never go out.

Relay keeps no phone of anybody who has opted out, only a keyed hash: a list cannot be printed, but a list that you have can be
compared with it (``check``). What is said of a file is the numbers of its lines.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from relay.api.suppressions import Invalid, counted_json, read_phones, suppression_json
from relay.cli.administration import AsJson, OfAccount, administer
from relay.cli.printing import print_json, print_listing
from relay.cli.progress import bar
from relay.cli.running import say
from relay.core.errors import CallerMistake
from relay.core.optouts import OptOutReason
from relay.core.phone import Phone
from relay.core.phone_list import phones_in
from relay.services.suppressions import AT_ONCE
from relay.storage.configuration import Account
from relay.storage.suppressions import Listed
from relay.wiring import Relay

app = typer.Typer(help="Whom an account must not text.", no_args_is_help=True)

_COLUMNS = ("id", "since", "source", "reason")
_PAGE = 1000
_SHOWN = 20  # lines that are named; a wrong file has thousands

PhoneFile = Annotated[
    Path, typer.Argument(metavar="FILE", help="Phones, one a line, as CSV or as NDJSON; - reads stdin")
]
Why = Annotated[OptOutReason, typer.Option("--reason", help="Why they are on the list")]


@app.command("import")
def import_(
    file: PhoneFile, *, account: OfAccount, reason: Why = OptOutReason.EARLIER_SYSTEM, as_json: AsJson = False
) -> None:
    """Put everybody in a file on the list. To be repeated when it breaks off. Exit 1 when a line was no phone."""

    async def work(relay: Relay) -> None:
        owner, (phones, bad) = await relay.accounts.by_name(account), _read(file)
        with bar("importing") as told:
            told(0, len(phones))
            counted = await relay.suppressions.take_list(
                owner, phones.values(), reason, told=lambda done: told(done, len(phones))
            )
        if as_json:
            print_json(counted_json(counted, bad))
        say(f"{counted.new} are new on the list, {counted.known} were there already or came twice")
        _name(bad)

    administer(work)


@app.command("check")
def check(file: PhoneFile, *, account: OfAccount) -> None:
    """Print the numbers of those lines of a file whose phones are on the list."""

    async def work(relay: Relay) -> None:
        owner, (phones, bad) = await relay.accounts.by_name(account), _read(file)
        lines, found = list(phones), 0
        with bar("checking") as told:
            for start in range(0, len(lines), AT_ONCE):
                some = lines[start : start + AT_ONCE]
                answers = await relay.suppressions.check(owner, [phones[line] for line in some])
                listed = [line for line, is_listed in zip(some, answers, strict=True) if is_listed]
                found += len(listed)
                told(start + len(some), len(lines))
                typer.echo("".join(f"{line}\n" for line in listed), nl=False)
        say(f"{found} of {len(phones)} are on the list")
        _name(bad)

    administer(work)


@app.command("export")
def export(*, account: OfAccount, as_json: AsJson = False) -> None:
    """Print the list: an id, since when, and by whose word. It has no phones, because none are kept."""

    async def work(relay: Relay) -> None:
        owner = await relay.accounts.by_name(account)
        rows = [suppression_json(one) for one in await _whole(relay, owner)]
        print_listing(rows, columns=_COLUMNS, as_json=as_json)

    administer(work)


async def _whole(relay: Relay, owner: Account) -> list[Listed]:
    found: list[Listed] = []
    with bar("reading") as told:
        while True:
            before = found[-1].id if found else None
            page = await relay.suppressions.listed(owner, before=before, limit=_PAGE)
            found += page
            told(len(found), len(found))
            if len(page) < _PAGE:
                return found


def _read(file: Path) -> tuple[dict[int, Phone], Invalid]:
    """The phones of a file by their lines. Raises CallerMistake when it cannot be read."""
    try:
        text = sys.stdin.read() if str(file) == "-" else file.read_text("utf-8")
    except (OSError, UnicodeDecodeError):
        raise CallerMistake("the file cannot be read as text in UTF-8") from None
    numbered = list(phones_in(text.splitlines()))
    return read_phones([phone for _, phone in numbered], [number for number, _ in numbered])


def _name(bad: Invalid) -> None:
    """Say which lines had no phone; never what they had."""
    if not bad:
        return
    lines: Sequence[str] = [str(one["place"]) for one in bad[:_SHOWN]]
    rest = f" and {len(bad) - _SHOWN} more" if len(bad) > _SHOWN else ""
    say(f"relay: no phone that a person can have in line {', '.join(lines)}{rest}")
    raise typer.Exit(1)
