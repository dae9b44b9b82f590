"""``relay doctor``: every check that an operator would make, one line each, and what to do about it.

It changes nothing: it makes no keyring, applies no migration, and does not begin a data directory that is not there. One
check that fails ends those that build on it, not the others. Judgements about the database are in ``services/checkup.py``.
"""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Annotated

import typer
from rich.text import Text

from relay import logs
from relay.cli.administration import AsJson
from relay.cli.printing import print_json
from relay.cli.running import database as database_of
from relay.cli.running import out
from relay.core import keys
from relay.core.errors import Conflict, KeyringRefused, RelayError, Tampered
from relay.core.ids import IdKind, public
from relay.providers.transport import open_transport
from relay.services.checkup import Checkup, Finding, Verdict
from relay.settings import Settings, read_settings
from relay.storage import database, migrate
from relay.storage import keyring as published
from relay.storage.configuration import Configuration, Connection
from relay.storage.database import Database
from relay.vault import keyring_file
from relay.vault.keyring import Keyring
from relay.vault.vault import open_vault
from relay.wiring import Relay, build

_LOW_DISK = 2 * 1024**3  # bytes
_FULL_DISK = 200 * 1024**2
_STYLES = {Verdict.OK: "green", Verdict.WARNING: "yellow", Verdict.PROBLEM: "bold red", Verdict.SKIPPED: "dim"}

Offline = Annotated[bool, typer.Option("--offline", help="Do not ask providers whether they take the credentials")]


def command(offline: Offline = False, as_json: AsJson = False) -> None:
    """Look at everything, in words. Exit 1 when there is a problem; warnings alone are exit 0."""
    found: list[Finding] = []

    def report(finding: Finding) -> None:
        found.append(finding)
        if not as_json:
            _print(finding)

    _examine(report, offline=offline)
    healthy = all(finding.verdict is not Verdict.PROBLEM for finding in found)
    if as_json:
        print_json({"healthy": healthy, "findings": [asdict(finding) for finding in found]})
    raise typer.Exit(0 if healthy else 1)


def _print(finding: Finding) -> None:
    line = Text(f"{finding.verdict:<8}", style=_STYLES[finding.verdict])
    line.append(f"  {finding.check:<11}  ", style="default")
    line.append(f"{finding.words} - {finding.advice}" if finding.advice else finding.words, style="default")
    out.print(line, soft_wrap=True)


def _examine(report: Callable[[Finding], None], *, offline: bool) -> None:
    try:
        settings = read_settings()
    except RelayError as error:
        report(Finding("settings", Verdict.PROBLEM, error.message, "the README lists every setting"))
        return
    logs.configure(level=settings.log_level)
    report(Finding("settings", Verdict.OK, "all of them can be read"))
    for finding in _about_settings(settings):
        report(finding)
    if not settings.database_url and not settings.data_dir.exists():
        advice = "`relay serve` makes the data directory, or set RELAY_DATABASE_URL"
        report(Finding("database", Verdict.WARNING, "there is none yet", advice))
        return
    try:
        with database_of(settings) as dsn:
            asyncio.run(_Examination(settings, report, offline=offline).of_database(dsn))
    except RelayError as error:
        report(Finding("database", Verdict.PROBLEM, error.message))


def _about_settings(settings: Settings) -> list[Finding]:
    """What the settings alone tell, and the disk that they lead to."""
    found = [judge_public_url(settings.public_url)]
    if settings.carrier_url:
        words = "a simulated carrier stands in for every provider: no text reaches a real phone"
        found.append(Finding("carrier", Verdict.WARNING, words, "unset RELAY_CARRIER_URL in production"))
    if not settings.database_url:
        words = "an embedded PostgreSQL is in use: good for a trial"
        advice = (
            "production: your distribution's PostgreSQL (RELAY_DATABASE_URL), the keyring elsewhere (RELAY_KEYRING)"
        )
        found.append(Finding("server", Verdict.WARNING, words, advice))
    if settings.data_dir.exists():
        found.append(judge_disk(shutil.disk_usage(settings.data_dir).free))
    return found


def judge_public_url(url: str) -> Finding:
    """Providers sign and call this address."""
    if url.startswith("https://"):
        return Finding("public_url", Verdict.OK, "providers call an https address")
    words = "providers would call an address without encryption, and texts would cross the network in the clear"
    return Finding("public_url", Verdict.WARNING, words, "set RELAY_PUBLIC_URL to your https:// address in production")


def judge_disk(free: int) -> Finding:
    """``free`` in bytes, where the data directory lies."""
    words = f"{free / 1024**3:.1f} GB free in the data directory"
    if free < _FULL_DISK:
        return Finding("disk", Verdict.PROBLEM, words, "make room now: a database whose disk is full stops")
    if free < _LOW_DISK:
        return Finding("disk", Verdict.WARNING, words, "make room before the database needs it")
    return Finding("disk", Verdict.OK, words)


@dataclass(frozen=True, slots=True)
class _Examination:
    """The checks that need a database."""

    settings: Settings
    report: Callable[[Finding], None]
    offline: bool

    async def of_database(self, dsn: str) -> None:
        """Everything from the server up. Raises StorageUnavailable and BadSettings."""
        db = await database.connect(dsn, connections=4, statement_cache=self.settings.statement_cache)
        try:
            checkup = Checkup(db, Configuration(db))
            for finding in await checkup.server():
                self.report(finding)
            self.report(await checkup.clock(lambda: datetime.now(UTC)))
            if await self._schema_is_current(db):
                ring = await self._keyring(db)
                await self._of_contents(checkup)
                await self._of_connections(db, ring)
        finally:
            await db.close()

    async def _schema_is_current(self, db: Database) -> bool:
        try:
            await migrate.check(db)
        except RelayError as error:
            self.report(Finding("schema", Verdict.PROBLEM, error.message))
            self.report(Finding("contents", Verdict.SKIPPED, "they cannot be read with this schema"))
            return False
        self.report(Finding("schema", Verdict.OK, "it is the one of this version"))
        return True

    async def _keyring(self, db: Database) -> Keyring | None:
        """The keyring, if it is there and the one that this database was sealed with."""
        path = self.settings.keyring_path
        async with db.transaction() as tx:
            known = await published.answers(tx)
        if not known and not path.exists() and self.settings.keyring is None:
            words = f"there is none yet; the first command that needs one makes {path}"
            self.report(Finding("keyring", Verdict.WARNING, words, "keep a copy of it apart from the database"))
            return None
        try:
            ring = keyring_file.load(path)
            answers = ring.answers()
            if any(answers.get(name) != answer for name, answer in known.items()):
                raise KeyringRefused(f"{path} is not the keyring that this database was sealed with")
        except KeyringRefused as error:
            self.report(Finding("keyring", Verdict.PROBLEM, error.message, "restore the right one from its backup"))
            return None
        self.report(await self._turns(db))
        return ring

    async def _turns(self, db: Database) -> Finding:
        """Do the keys of weeks and days take turns?"""
        async with db.transaction() as tx:
            late = keys.overdue(await published.published(tx), tx.now)
        if not late:
            return Finding("keyring", Verdict.OK, "present, readable by its owner only, and the database's own")
        advice = "is a process running that may write it? Or is `relay keyring rotate` forgotten, where that is done by hand?"
        return Finding("keyring", Verdict.WARNING, f"nobody makes its next keys: {', '.join(late)}", advice)

    async def _of_contents(self, checkup: Checkup) -> None:
        self.report(await checkup.accounts())
        for finding in await checkup.pools():
            self.report(finding)
        if self.settings.database_url:
            self.report(await checkup.leases())
        else:
            words = "the embedded server runs for this command alone, so nobody else can be at work"
            self.report(Finding("leases", Verdict.SKIPPED, words))
        for finding in await checkup.texts():
            self.report(finding)

    async def _of_connections(self, db: Database, ring: Keyring | None) -> None:
        """Ask every provider whether it takes the credentials that it is asked to take."""
        if self.offline or ring is None:
            words = "--offline: no provider was asked" if self.offline else "without the keyring no credentials open"
            self.report(Finding("connection", Verdict.SKIPPED, words))
            return
        deadline, connect_timeout = self.settings.send_deadline, self.settings.connect_timeout
        async with open_transport(deadline=deadline, connect_timeout=connect_timeout) as transport:
            relay = build(self.settings, db, open_vault(ring), transport)
            for account in (await relay.configuration.current()).accounts.values():
                for connection in await relay.connections.listed(account):
                    self.report(await _try_connection(relay, connection))


async def _try_connection(relay: Relay, connection: Connection) -> Finding:
    account = (await relay.configuration.current()).accounts[connection.account_id]
    name = f"{account.name}: {public(IdKind.CONNECTION, connection.id)} at {connection.provider}"
    try:
        works = await relay.connections.test(account, connection.id)
    except Conflict as error:
        advice = "can this machine reach the provider?"
        return Finding("connection", Verdict.PROBLEM, f"{name}: {error.message}", advice)
    except Tampered:
        advice = "they were changed in the database: add the connection anew"
        return Finding("connection", Verdict.PROBLEM, f"{name}: the keyring does not open its credentials", advice)
    if works:
        return Finding("connection", Verdict.OK, f"{name} works")
    advice = "were they revoked, or mistyped? The provider's console tells"
    return Finding("connection", Verdict.PROBLEM, f"{name}: the provider refuses these credentials", advice)
