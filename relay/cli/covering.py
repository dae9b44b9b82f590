"""``relay audit coverage``: that every change of state has its entry in the audit log, counted in the operator's database."""

from __future__ import annotations

from collections.abc import Mapping

import typer

from relay.cli.administration import AsJson, OnlyAccount, accounts_meant, administer
from relay.cli.printing import print_json
from relay.core.coverage import Fault
from relay.services.coverage import Covered
from relay.wiring import Relay

_IN_WORDS: Mapping[Fault, str] = {
    Fault.NO_EVENT: "{} times {} should have been told, and was not",
    Fault.NO_ATTEMPT: "{} texts have begun to leave more often than they have attempts",
    Fault.NOT_SEALED: "{} events {} have waited for their entry for more than a minute: is a worker running?",
    Fault.NO_ENTRY: "{} events {} are marked as sealed, and have no entry",
    Fault.OTHER_ENTRY: "{} events {} are something else in the log",
}


def coverage(account: OnlyAccount = None, as_json: AsJson = False) -> None:
    """Hold rows against the events that must tell of them, and events against the log. Exit code 1 when anything is missing."""

    async def work(relay: Relay) -> None:
        found = Covered()
        for one in await accounts_meant(relay, account):
            await relay.coverage.of(one, found)
        if as_json:
            print_json(_document(found))
        else:
            _print(found)
        if found.without_entry:
            raise typer.Exit(1)

    administer(work)


def _document(found: Covered) -> dict[str, object]:
    faults = [
        {"fault": fault, "event": event, "count": count} for (fault, event), count in sorted(found.faults.items())
    ]
    return {"state_changes_without_an_entry": found.without_entry, "looked_at": dict(found.seen), "faults": faults}


def _print(found: Covered) -> None:
    typer.echo("looked at " + ", ".join(f"{count} {table}" for table, count in found.seen.items()))
    for (fault, event), count in sorted(found.faults.items()):
        typer.echo(_IN_WORDS[fault].format(count, event))
    typer.echo(f"state changes without an entry: {found.without_entry}")
