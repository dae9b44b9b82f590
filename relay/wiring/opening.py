"""A Relay over its database and its keyring: whatever has to be right before anything may run is looked at here."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from relay.core.errors import KeyringRefused
from relay.providers.guarded import open_guarded_transport
from relay.providers.transport import open_transport
from relay.services.redaction import AT_ONCE
from relay.settings import Settings
from relay.storage import database, migrate
from relay.storage import keyring as published
from relay.storage.database import Database
from relay.vault import keyring_file
from relay.vault.keyring import Keyring
from relay.vault.vault import open_vault
from relay.wiring.parts import Relay, build


@asynccontextmanager
async def open_relay(settings: Settings, dsn: str, *, restoring: bool = False) -> AsyncIterator[Relay]:
    """Everything over a migrated database. Raises OperatorMistake and StorageUnavailable where it cannot be opened.

    ``restoring``: also over one that was restored from a backup and is to be brought up to date.
    """
    db = await database.connect(
        dsn, connections=settings.database_connections, statement_cache=settings.statement_cache
    )
    try:
        await database.check_durable(db)
        await migrate.check(db)
        vault = open_vault(await open_keyring(db, settings.keyring_path, may_make=settings.keyring is None))
        times = {"deadline": settings.send_deadline, "connect_timeout": settings.connect_timeout}
        async with (
            open_transport(connections=settings.sockets + AT_ONCE, **times) as transport,
            open_guarded_transport(loopback_allowed=settings.loopback_webhooks) as guarded,
        ):
            relay = build(settings, db, vault, transport, guarded)
            if not restoring:
                await relay.restoring.check()
                await relay.rotation.look()
            yield relay
    finally:
        await db.close()


async def open_keyring(db: Database, path: Path, *, may_make: bool) -> Keyring:
    """The keyring of this database. The first start of all makes one, unless the operator named a file.

    Raises KeyringRefused when it is missing, or when other keys than these sealed the database.
    """
    async with db.transaction() as tx:
        known = await published.answers(tx)
    keyring_file.complete(path)
    ring = keyring_file.load_or_make(path) if may_make and not known else keyring_file.load(path)
    answers = ring.answers()
    if not known:
        async with db.transaction() as tx:
            await published.publish(tx, answers, {}, in_use=True)
            known = await published.answers(tx)  # two first starts may have brought two keyrings
    if any(answers.get(name, answer) != answer for name, answer in known.items()):
        raise KeyringRefused(f"{path} is not the keyring that this database was sealed with")
    return ring
