"""The ``relay`` command. One module per group of commands; this one only names them."""

from __future__ import annotations

import typer

from relay.cli import (
    accounts,
    audit,
    connections,
    doctor,
    keyring,
    keys,
    numbers,
    pools,
    privacy,
    restoring,
    sandbox,
    schema,
    serve,
    sessions,
    suppressions,
)

app = typer.Typer(
    name="relay",
    help="Two people text each other; neither sees the other's phone number.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.command("serve")(serve.serve)
app.command("worker")(serve.worker)
app.command("sandbox")(sandbox.sandbox)
app.command("migrate")(schema.command)
app.command("doctor")(doctor.command)
app.command("restore-check")(restoring.command)
app.add_typer(accounts.app, name="accounts")
app.add_typer(keys.app, name="keys")
app.add_typer(connections.app, name="connections")
app.add_typer(pools.app, name="pools")
app.add_typer(numbers.app, name="numbers")
app.add_typer(sessions.app, name="sessions")
app.add_typer(keyring.app, name="keyring")
app.add_typer(privacy.app, name="privacy")
app.add_typer(suppressions.app, name="suppressions")
app.add_typer(audit.app, name="audit")


def main() -> None:
    app()
