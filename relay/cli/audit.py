"""``relay audit``: the auditor's own tools. They need a pack or a log's address, and the log's public key; no database, no
keyring, no settings: they run wherever the package is installed. ``export``, ``coverage`` and ``witness-key`` are the operator's.
"""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated

import typer

from relay.cli import covering, exporting, witness_keys
from relay.cli.fetching import fetching, hand_in, refused_with
from relay.cli.progress import bar
from relay.cli.running import say, told
from relay.core.errors import EvidenceRefused, OperatorMistake, TryLater
from relay.core.notes import KeyType, Note, NoteKey, parse_key
from relay.evidence import verifying
from relay.evidence.report import Report
from relay.evidence.served import ServedLog
from relay.evidence.served_check import verify_served
from relay.evidence.verifying import Wanted, verify_pack
from relay.evidence.witness import Cosigner, Seen, Trust, look
from relay.evidence.witness_files import WitnessFiles
from relay.vault import witness_key
from relay.vault.log_keys import verify as signature_is_right

app = typer.Typer(help="Check an audit log, without trusting whoever runs it.", no_args_is_help=True)
app.command("export")(exporting.export)
app.command("coverage")(covering.coverage)
app.add_typer(witness_keys.app, name="witness-key")

_LATEST_HOURS = int(verifying.LATEST.total_seconds()) // 3600

Keys = Annotated[list[str], typer.Option("--key", help="The log's key, name+id+base64; again for another one of it")]
ApiKey = Annotated[Path | None, typer.Option("--api-key", help="A file with an API key of scope audit, for an address")]


@app.callback()
def group() -> None:
    """Check an audit log, without trusting whoever runs it."""


@app.command("verify")
def verify(
    what: Annotated[str, typer.Argument(metavar="PACK|URL", help="A folder, a .zip, or a log's address")],
    key: Keys,
    api_key: ApiKey = None,
    seen: Annotated[
        Path | None, typer.Option(help="For an address: a checkpoint that the log had signed before")
    ] = None,
    late: Annotated[
        int, typer.Option(min=0, help="Hours that an entry may be dated behind an earlier one")
    ] = _LATEST_HOURS,
    witness: Annotated[
        list[str] | None,
        typer.Option(help="A witness's key; again for another. One of them must have signed"),
    ] = None,
) -> None:
    """Check an evidence pack, or a log as it is served. A line for each check; exit code 1 when anything is wrong."""
    started = time.monotonic()
    with told(), bar("checking") as shown:
        wanted = Wanted(_keys(key), signature_is_right, timedelta(hours=late), _witnesses(witness or []))
        if what.startswith(("https://", "http://")):
            report = asyncio.run(_verify_served(what, api_key, wanted, seen, shown))
        else:
            report = verify_pack(Path(what), wanted, shown)
    _tell(report, time.monotonic() - started)


async def _verify_served(
    url: str, api_key: Path | None, wanted: Wanted, seen: Path | None, progress: verifying.Progress
) -> Report:
    before = None if seen is None else _head_in(seen)
    async with fetching(url, api_key) as fetch:
        return await verify_served(ServedLog(fetch), wanted, before, progress)


def _head_in(path: Path) -> Note:
    found = WitnessFiles(path).last()
    if found is None:
        raise OperatorMistake(f"{path} is not there")
    return found


def _keys(given: list[str]) -> list[NoteKey]:
    keys = list(map(parse_key, given))
    if any(key.type is not KeyType.ED25519 for key in keys):
        raise EvidenceRefused("this is a witness's key, not a log's")
    return keys


def _witnesses(given: list[str]) -> list[NoteKey]:
    keys = list(map(parse_key, given))
    if any(key.type is not KeyType.COSIGNATURE for key in keys):
        raise EvidenceRefused("this is a log's key, not a witness's")
    return keys


def _tell(report: Report, seconds: float) -> None:
    for line in report.lines():
        typer.echo(line)
    rate = f"{report.entries} entries in {seconds:.1f} s, {report.entries / max(seconds, 0.001):,.0f} a second"
    typer.echo(f"{'verified' if report.holds else 'NOT VERIFIED'}: {rate}")
    if not report.holds:
        raise typer.Exit(1)


@app.command("witness")
def witness(
    url: Annotated[str | None, typer.Argument(help="The log's address")] = None,
    key: Annotated[list[str] | None, typer.Option(help="The log's key, name+id+base64; again for another")] = None,
    state: Annotated[
        Path | None, typer.Option(help="The file that holds the last head; made when there is none")
    ] = None,
    api_key: ApiKey = None,
    sign: Annotated[Path | None, typer.Option(help="Cosign with this key, into STATE.cosigned")] = None,
    make_key: Annotated[
        Path | None, typer.Option(help="Only make a key in this file, and print its public half")
    ] = None,
    name: Annotated[str | None, typer.Option(help="With --make-key: the witness's name")] = None,
    send: Annotated[
        bool | None,
        typer.Option(
            "--send/--no-send", help="Hand the cosignature back to the log; default: with --sign and --api-key"
        ),
    ] = None,
) -> None:
    """Look whether a log has only grown since the last look. Exit code 1, and nothing kept, when it has not."""
    if make_key is not None:
        if name is None:
            raise typer.BadParameter("a new key needs a --name, such as auditor.example/witness")
        with told():
            typer.echo(witness_key.make(make_key, name).key.written())
        return
    if url is None or not key or state is None:
        raise typer.BadParameter("a log's address, its --key and a --state file are needed")
    if send and (sign is None or api_key is None):
        raise typer.BadParameter("--send needs a cosignature (--sign) and an --api-key")
    with told():
        files, trust = WitnessFiles(state), Trust(_keys(key), signature_is_right)
        own = None if sign is None else witness_key.load(sign)
        cosigner = None if own is None else Cosigner(own.key, own.sign)
        with files.alone():
            seen = asyncio.run(_look(url, api_key, files, trust, cosigner))
            typer.echo(_told_of(seen) + (f"; cosigned into {files.cosigned}" if cosigner else ""))
            if cosigner is not None and api_key is not None and send is not False:
                _hand_in(url, api_key, files, must=bool(send))


def _hand_in(url: str, api_key: Path, files: WitnessFiles, *, must: bool) -> None:
    """Hand the cosigned head in. Where that was not asked for in words, a log that does not take it is told of and no failure."""
    try:
        answer = asyncio.run(hand_in(url, api_key, "cosignatures", {"checkpoint": files.cosigned.read_text()}))
        problem = refused_with(answer)
    except TryLater as error:
        problem = error.message
    if problem is None:
        typer.echo("handed in: the log shows that it was witnessed")
    elif must:
        raise TryLater(f"not handed in: {problem}")
    else:
        say(f"not handed in: {problem}")


async def _look(url: str, api_key: Path | None, files: WitnessFiles, trust: Trust, cosigner: Cosigner | None) -> Seen:
    async with fetching(url, api_key) as fetch:
        return await look(ServedLog(fetch), files, trust, cosigner, datetime.now(UTC))


def _told_of(seen: Seen) -> str:
    if seen.since is None:
        return f"first look: {seen.size} entries; there was nothing to compare them with"
    if seen.size == seen.since:
        return f"unchanged: {seen.size} entries"
    return f"grown from {seen.since} to {seen.size} entries; nothing before that was altered"
