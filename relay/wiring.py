"""The composition root: everything is built here once and handed to whoever needs it. No rule and no logic lives here.

A new provider is one line in ``PROVIDERS``. A new piece of upkeep is one line in ``_steps``.
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlsplit
from uuid import UUID

from relay import logs
from relay.core.delivery import AmbiguityTimes
from relay.core.errors import KeyringRefused, StorageUnavailable
from relay.core.redaction import RedactionTimes
from relay.providers import twilio
from relay.providers.base import Adapter
from relay.providers.transport import Transport, open_transport
from relay.services.accounts import Accounts
from relay.services.affected import Affected
from relay.services.ambiguity import Ambiguity
from relay.services.audit_exports import AuditExports
from relay.services.audit_log import AuditLog
from relay.services.audit_page import AuditPage
from relay.services.audit_reading import AuditReading
from relay.services.connections import Connections
from relay.services.depths import Depths
from relay.services.erasure import Erasure
from relay.services.expiry import Expiry
from relay.services.holds import Holds
from relay.services.idempotency import Idempotency
from relay.services.inbound import Inbound
from relay.services.inbound.departures import Closed
from relay.services.keys import Keys
from relay.services.numbers import Numbers
from relay.services.optouts import OptOuts
from relay.services.pools import Pools
from relay.services.receipts import Receipts
from relay.services.redaction import AT_ONCE, Redaction
from relay.services.restoring import Restoring
from relay.services.retention import Retention
from relay.services.rotation import Rotation
from relay.services.sending import Sending, SendSettings
from relay.services.sessions import Sessions
from relay.services.subjects import Subjects
from relay.services.texts import Texts
from relay.services.verifications import Verifications
from relay.settings import Settings
from relay.storage import database, migrate, upkeep
from relay.storage import keyring as published
from relay.storage.configuration import Configuration
from relay.storage.database import Database
from relay.vault import keyring_file
from relay.vault.carrier_copies import CarrierCopies
from relay.vault.journal_file import JournalFile
from relay.vault.keyring import Keyring
from relay.vault.keyring_file import KeyringFile
from relay.vault.vault import Vault, open_vault
from relay.worker.keykeeper import KeyKeeper
from relay.worker.leases import Lease, Leases
from relay.worker.sender import Sender, SenderSettings
from relay.worker.upkeep import Step, Timely, Upkeep
from relay.worker.wakeup import Wakeup

PROVIDERS: tuple[Adapter, ...] = (twilio.ADAPTER,)


@dataclass(frozen=True, slots=True)
class Relay:
    """One process's Relay: the services, and what they share."""

    settings: Settings
    database: Database
    configuration: Configuration
    vault: Vault
    adapters: dict[str, Adapter]
    transport: Transport
    accounts: Accounts
    affected: Affected
    audit_log: AuditLog
    connections: Connections
    idempotency: Idempotency
    keys: Keys
    numbers: Numbers
    pools: Pools
    sessions: Sessions
    subjects: Subjects
    texts: Texts
    verifications: Verifications
    inbound: Inbound
    optouts: OptOuts
    receipts: Receipts
    redaction: Redaction
    sending: Sending
    ambiguity: Ambiguity
    erasure: Erasure
    expiry: Expiry
    retention: Retention
    depths: Depths
    rotation: Rotation
    restoring: Restoring
    wakeup: Wakeup

    @property
    def holds(self) -> Holds:
        """What must be kept all the same."""
        return Holds(self.database)

    @property
    def audit_reading(self) -> AuditReading:
        """The audit log as auditors read it."""
        return AuditReading(self.database)

    @property
    def audit_exports(self) -> AuditExports:
        """The audit log as it is exported."""
        return AuditExports(self.database)

    @property
    def audit_page(self) -> AuditPage:
        """The audit log as the console shows it."""
        return AuditPage(self.database, self.vault)

    @property
    def public_url(self) -> str:
        """Where the world finds this installation."""
        return self.settings.public_url


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
        async with open_transport(connections=settings.sockets + AT_ONCE, **times) as transport:
            relay = build(settings, db, vault, transport)
            if not restoring:
                await relay.restoring.check()
                await relay.rotation.look()
            yield relay
    finally:
        await db.close()


def build(settings: Settings, db: Database, vault: Vault, transport: Transport) -> Relay:
    """Put the parts together."""
    config = Configuration(db)
    adapters = {adapter.name: adapter for adapter in PROVIDERS}
    base_urls = dict.fromkeys(adapters, settings.carrier_url) if settings.carrier_url else {}
    ambiguity_times = AmbiguityTimes(settings.ask_after, settings.give_up_after)
    wakeup = Wakeup()

    async def queued(bucket: int) -> None:
        await wakeup.hint(bucket, db)

    copies = _carrier_copies(settings, vault, adapters)
    optouts = OptOuts(db, config, vault, adapters, queued, copies)
    audit_log = AuditLog(db, config, vault, urlsplit(settings.public_url).netloc)
    erasure = Erasure(db, rotates=settings.rotate_keys, erase_entries=audit_log.erase_session)
    send_settings = SendSettings(settings.public_url, base_urls, ambiguity=ambiguity_times)
    return Relay(
        settings=settings,
        database=db,
        configuration=config,
        vault=vault,
        adapters=adapters,
        transport=transport,
        accounts=Accounts(db, config),
        affected=Affected(db, config),
        audit_log=audit_log,
        connections=Connections(db, config, vault, adapters, transport, base_urls),
        idempotency=Idempotency(db, vault, timedelta(seconds=settings.request_lease)),
        keys=Keys(db, config),
        numbers=Numbers(db, config),
        pools=Pools(db, config),
        sessions=Sessions(db, config, vault),
        subjects=Subjects(db, config, vault, erasure.erase_one),
        texts=Texts(db, vault, queued),
        verifications=Verifications(db, config, vault, queued),
        inbound=Inbound(db, config, vault, optouts.take, queued, copies),
        optouts=optouts,
        receipts=Receipts(db, copies),
        redaction=Redaction(db, config, vault, adapters, transport, base_urls),
        sending=Sending(db, config, vault, adapters, transport, send_settings, optouts.spread, copies),
        ambiguity=Ambiguity(db, config, vault, adapters, transport, ambiguity_times, base_urls, copies),
        erasure=erasure,
        expiry=Expiry(db),
        retention=Retention(db, config, adapters, audit_log.seal_these),
        depths=Depths(db),
        rotation=Rotation(db, config, vault, KeyringFile(settings.keyring_path)),
        restoring=_restoring(settings, db, config, erasure),
        wakeup=wakeup,
    )


def _carrier_copies(settings: Settings, vault: Vault, adapters: Mapping[str, Adapter]) -> CarrierCopies:
    times = RedactionTimes(timedelta(seconds=settings.redact_after), timedelta(seconds=settings.redact_at_latest))
    return CarrierCopies(vault.envelopes, lambda name: adapters[name].capabilities.deletes_messages, times)


def _restoring(settings: Settings, db: Database, config: Configuration, erasure: Erasure) -> Restoring:
    async def erase_again(account_id: UUID, session_id: UUID) -> None:
        await erasure.erase_one((await config.refreshed()).accounts[account_id], session_id)

    return Restoring(db, JournalFile(settings.keyring_path.with_suffix(".journal")), erase_again)


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


@asynccontextmanager
async def keeping_keys(relay: Relay) -> AsyncIterator[None]:
    """Take part in the rotation of keys until the block is left. Whoever seals anything has to."""
    await relay.rotation.learn()
    task = asyncio.create_task(KeyKeeper(relay.rotation, rotates=relay.settings.rotate_keys).run())
    task.add_done_callback(_must_not_end)
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        with suppress(StorageUnavailable):
            await relay.rotation.leave()


@asynccontextmanager
async def working(relay: Relay) -> AsyncIterator[Leases]:
    """Own buckets, send, keep house; until the block is left, when what is on its way is waited for."""
    settings = relay.settings
    leases = Leases(
        relay.database, relay.configuration, lasting=timedelta(seconds=settings.lease), taken=relay.wakeup.now
    )
    relay.wakeup.served_here = lambda bucket: leases.get(bucket) is not None
    sender_settings = SenderSettings(settings.sockets, settings.busy_poll, settings.idle_poll)
    sender = Sender(
        relay.database,
        relay.configuration,
        relay.sending,
        leases=leases,
        wakeup=relay.wakeup,
        settings=sender_settings,
    )
    leases.busy = sender.busy
    relay.inbound.gate = sender.departures
    house = Upkeep(leases, _steps(relay))
    runs = (leases.run(), relay.wakeup.listen(relay.database), sender.run(), house.run())
    tasks = [asyncio.create_task(run) for run in runs]
    for task in tasks:
        task.add_done_callback(_must_not_end)
    try:
        yield leases
    finally:
        relay.inbound.gate = Closed
        with suppress(TimeoutError):  # what is still on its way after that counts as ambiguous
            await asyncio.wait_for(sender.drain(), settings.drain_within)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await leases.release()


def _must_not_end(task: asyncio.Task[None]) -> None:
    """A worker without one of its parts would look alive and do nothing: better to stop and be started again."""
    if not task.cancelled() and (error := task.exception()) is not None:
        logs.trouble("worker_part_ended", error)
        signal.raise_signal(signal.SIGTERM)


def _steps(relay: Relay) -> list[Step]:
    """Upkeep: name, period in seconds, what to do in a bucket."""
    often, sometimes, rarely = relay.settings.upkeep_period, 5.0, 60.0
    return [
        Step("timely", often, _timely(relay)),
        Step("look_for_ambiguous", often, lambda lease: relay.ambiguity.look(lease.bucket)),  # waits for providers
        Step("redact", sometimes, lambda lease: relay.redaction.redact(lease.bucket)),  # waits for providers
        Step("prepare_pools", sometimes, lambda lease: relay.pools.prepare_left(lease.bucket)),
        Step("measure", 2 * often, lambda lease: relay.depths.measure(lease.bucket)),
        Step("forget_requests", rarely, lambda lease: relay.idempotency.forget(lease.bucket)),
        Step("forget_answers", rarely, lambda lease: relay.expiry.forget_answers(lease.bucket)),
        Step("end_verifications", rarely, lambda lease: relay.verifications.end_old(lease.bucket)),
        Step("finish_erasures", rarely, lambda lease: relay.erasure.finish(lease.bucket)),
        Step("finish_requests", rarely, lambda lease: relay.subjects.finish(lease.bucket)),
        Step("forget_copies", 10 * rarely, lambda lease: relay.subjects.forget(lease.bucket)),
        Step("seal", 2 * often, lambda lease: relay.audit_log.seal(lease.bucket)),
        Step("sweep", rarely, lambda lease: relay.audit_log.sweep(lease.bucket)),
        Step("forget_entries", 10 * rarely, lambda lease: relay.audit_log.forget(lease.bucket)),
        Step("forget_exports", 10 * rarely, lambda lease: relay.audit_exports.forget(lease.bucket)),
        Step("forget", 30 * rarely, lambda lease: relay.retention.forget(lease.bucket)),
    ]


def _timely(relay: Relay) -> Timely:
    """What a glance into a bucket can find to do, by the name of its column."""
    ambiguity, expiry = relay.ambiguity, relay.expiry
    patience = upkeep.Patience(timedelta(seconds=relay.settings.abandoned_after), timedelta(seconds=5))

    async def glance(lease: Lease) -> list[str]:
        async with relay.database.single() as tx:
            return await upkeep.glance(tx, lease.bucket, lease.epoch, patience)

    return Timely(
        glance,
        {
            "end_sessions": lambda lease: expiry.end_sessions(lease.bucket),
            "free_numbers": lambda lease: expiry.free_numbers(lease.bucket),
            "expire_parked": lambda lease: expiry.expire_parked(lease.bucket),
            "expire_texts": lambda lease: expiry.expire_texts(lease.bucket),
            "declare_ambiguous": lambda lease: ambiguity.declare(
                lease.bucket, epoch=lease.epoch, begun_before=patience.silent_send
            ),
            "tell_journal": lambda lease: relay.restoring.write(lease.bucket),
            "finish_opt_outs": lambda lease: relay.optouts.finish_old(
                lease.bucket, older_than=patience.fan_out.total_seconds()
            ),
        },
    )
