"""The parts of one process's Relay, put together."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from urllib.parse import urlsplit
from uuid import UUID

from relay.core.delivery import AmbiguityTimes
from relay.core.ids import Seed
from relay.core.loops import LegLimits
from relay.core.redaction import RedactionTimes
from relay.providers import twilio
from relay.providers.base import Adapter
from relay.providers.guarded import GuardedTransport, open_guarded_transport
from relay.providers.transport import Transport
from relay.services.accounts import Accounts
from relay.services.affected import Affected
from relay.services.ambiguity import Ambiguity
from relay.services.audit_exports import AuditExports
from relay.services.audit_log import AuditLog
from relay.services.audit_page import AuditPage
from relay.services.audit_reading import AuditReading
from relay.services.audit_witnesses import AuditWitnesses
from relay.services.bulk_close import BulkClose
from relay.services.connections import Connections
from relay.services.coverage import Coverage
from relay.services.depths import Depths
from relay.services.erasure import Erasure
from relay.services.expiry import Expiry
from relay.services.holds import Holds
from relay.services.hooks import Hooks
from relay.services.hooks.asking import Asking
from relay.services.hooks.interception import Interception
from relay.services.hooks.out_of_session import Opening, OutOfSession, Seat
from relay.services.idempotency import Idempotency
from relay.services.inbound import Inbound
from relay.services.keys import Keys
from relay.services.numbers import Numbers
from relay.services.optouts import OptOuts
from relay.services.pools import Pools
from relay.services.receipts import Receipts
from relay.services.redaction import Redaction
from relay.services.restoring import Restoring
from relay.services.retention import Retention
from relay.services.rotation import Rotation
from relay.services.rules import KeywordRules
from relay.services.scheduling import Scheduling
from relay.services.sending import Sending, SendSettings
from relay.services.sessions import PersonWanted, Sessions, SessionWanted
from relay.services.subjects import Subjects
from relay.services.suppressions import Suppressions
from relay.services.templates import Templates
from relay.services.texts import Texts
from relay.services.verifications import Verifications
from relay.services.webhooks import Webhooks
from relay.services.webhooks.delivering import Delivering
from relay.services.webhooks.ledger import Ledger
from relay.services.webhooks.posting import Posting
from relay.services.webhooks.telling import Telling
from relay.settings import Settings
from relay.storage.configuration import Account, Configuration
from relay.storage.database import Database
from relay.vault.carrier_copies import CarrierCopies
from relay.vault.journal_file import JournalFile
from relay.vault.keyring_file import KeyringFile
from relay.vault.vault import Vault
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
    customers: GuardedTransport
    audit_log: AuditLog
    connections: Connections
    idempotency: Idempotency
    keys: Keys
    sessions: Sessions
    subjects: Subjects
    texts: Texts
    verifications: Verifications
    telling: Telling
    delivering: Delivering
    inbound: Inbound
    optouts: OptOuts
    receipts: Receipts
    redaction: Redaction
    scheduling: Scheduling
    sending: Sending
    ambiguity: Ambiguity
    erasure: Erasure
    retention: Retention
    rotation: Rotation
    restoring: Restoring
    wakeup: Wakeup

    @property
    def accounts(self) -> Accounts:
        """Those who rent."""
        return Accounts(self.database, self.configuration)

    @property
    def numbers(self) -> Numbers:
        """What they rent."""
        return Numbers(self.database, self.configuration)

    @property
    def pools(self) -> Pools:
        """What sessions draw from."""
        return Pools(self.database, self.configuration)

    @property
    def expiry(self) -> Expiry:
        """What ends by itself."""
        return Expiry(self.database)

    @property
    def depths(self) -> Depths:
        """How much waits."""
        return Depths(self.database)

    @property
    def holds(self) -> Holds:
        """What must be kept all the same."""
        return Holds(self.database)

    @property
    def suppressions(self) -> Suppressions:
        """The lists of those whom accounts must not text."""
        return Suppressions(self.database, self.vault, self.optouts.spread)

    @property
    def audit_reading(self) -> AuditReading:
        """The audit log as auditors read it."""
        return AuditReading(self.database)

    @property
    def audit_witnesses(self) -> AuditWitnesses:
        """Who watches the audit log."""
        return AuditWitnesses(self.database)

    @property
    def audit_page(self) -> AuditPage:
        """The audit log as the console shows it."""
        return AuditPage(self.database, self.vault)

    @property
    def audit_exports(self) -> AuditExports:
        """The audit log as it is exported."""
        return AuditExports(self.database)

    @property
    def coverage(self) -> Coverage:
        """Whether every change of state has its entry in the audit log."""
        return Coverage(self.database, self.configuration)

    @property
    def bulk_close(self) -> BulkClose:
        """Many sessions closed at once."""
        return BulkClose(self.database, self.configuration)

    @property
    def templates(self) -> Templates:
        """Texts with variables, kept by their accounts."""
        return Templates(self.database)

    @property
    def affected(self) -> Affected:
        """Whom a leak concerns."""
        return Affected(self.database, self.configuration)

    @property
    def webhooks(self) -> Webhooks:
        """Where accounts want to be told what happens."""
        return Webhooks(self.database, self.configuration, self.delivering.posting)

    @property
    def ledger(self) -> Ledger:
        """What has happened, and which endpoint was told."""
        return Ledger(self.database, self.configuration)

    @property
    def hooks(self) -> Hooks:
        """Hooks of pools as their owner sets them."""
        return Hooks(self.database, self.configuration, self.vault, http_allowed=self.settings.loopback_webhooks)

    @property
    def interception(self) -> Interception:
        """Hooks as they are asked about texts that want to leave."""
        return Interception(self.database, self.configuration, self.vault, self._asking, self._queued)

    @property
    def out_of_session(self) -> OutOfSession:
        """Hooks as they are asked about texts that nobody was there to get."""
        parts = (self.database, self.configuration, self.vault, self._asking)
        return OutOfSession(*parts, self._open_session, self._queued)

    @property
    def _asking(self) -> Asking:
        return Asking(self.database, self.vault, self.customers, http_allowed=self.settings.loopback_webhooks)

    async def _queued(self, bucket: int) -> None:
        await self.wakeup.hint(bucket, self.database)

    async def _open_session(self, account: Account, wanted: Opening, seed: Seed) -> Seat:
        one, other = (PersonWanted(p, n) for p, n in zip((wanted.sender, wanted.other), wanted.labels, strict=True))
        session = SessionWanted(wanted.pool, (one, other), greeting=wanted.greeting)
        view = await self.sessions.open(account, session, seed)
        seat = next(p for p in view.participants if p.slot == 1)
        return Seat(seat.number_id, view.session.id, seat.id)

    @property
    def public_url(self) -> str:
        """Where the world finds this installation."""
        return self.settings.public_url


def build(
    settings: Settings, db: Database, vault: Vault, transport: Transport, guarded: GuardedTransport | None = None
) -> Relay:
    """Put the parts together. ``transport`` leads to providers, ``guarded`` to customers' addresses; whoever asks and
    tells nobody need not open one."""
    config = Configuration(db)
    adapters = {adapter.name: adapter for adapter in PROVIDERS}
    base_urls = dict.fromkeys(adapters, settings.carrier_url) if settings.carrier_url else {}
    ambiguity_times = AmbiguityTimes(settings.ask_after, settings.give_up_after)
    wakeup = Wakeup()
    queued = partial(wakeup.hint, database=db)
    copies = _carrier_copies(settings, vault, adapters)
    optouts = OptOuts(db, config, vault, adapters, queued, copies)
    rules = KeywordRules(db, config, vault, queued, copies)
    audit_log = AuditLog(db, config, vault, urlsplit(settings.public_url).netloc)
    erasure = Erasure(db, rotates=settings.rotate_keys, erase_entries=audit_log.erase_session)
    customers = guarded or open_guarded_transport(loopback_allowed=settings.loopback_webhooks)
    posting = Posting(vault, customers, http_allowed=settings.loopback_webhooks)
    send_settings = SendSettings(settings.public_url, base_urls, ambiguity=ambiguity_times)
    return Relay(
        settings=settings,
        database=db,
        configuration=config,
        vault=vault,
        adapters=adapters,
        transport=transport,
        customers=customers,
        audit_log=audit_log,
        connections=Connections(db, config, vault, adapters, transport, base_urls),
        idempotency=Idempotency(db, vault, timedelta(seconds=settings.request_lease)),
        keys=Keys(db, config),
        sessions=Sessions(db, config, vault, queued),
        subjects=Subjects(db, config, vault, erasure.erase_one),
        texts=Texts(db, vault, queued),
        verifications=Verifications(db, config, vault, queued),
        telling=Telling(db, config),
        delivering=Delivering(db, config, posting),
        inbound=Inbound(db, config, vault, optouts.take, queued, copies, rules.take, _leg_limits(settings)),
        optouts=optouts,
        receipts=Receipts(db, copies, optouts.spread),
        redaction=Redaction(db, config, vault, adapters, transport, base_urls),
        scheduling=Scheduling(db, config, vault, queued),
        sending=Sending(db, config, vault, adapters, transport, send_settings, optouts.spread, copies),
        ambiguity=Ambiguity(db, config, vault, adapters, transport, ambiguity_times, base_urls, copies),
        erasure=erasure,
        retention=Retention(db, config, adapters, audit_log.seal_these),
        rotation=Rotation(db, config, vault, KeyringFile(settings.keyring_path)),
        restoring=_restoring(settings, db, config, erasure),
        wakeup=wakeup,
    )


def _leg_limits(settings: Settings) -> LegLimits:
    return LegLimits(settings.leg_rate, settings.leg_repeats, settings.person_rate)


def _carrier_copies(settings: Settings, vault: Vault, adapters: Mapping[str, Adapter]) -> CarrierCopies:
    times = RedactionTimes(timedelta(seconds=settings.redact_after), timedelta(seconds=settings.redact_at_latest))
    return CarrierCopies(vault.envelopes, lambda name: adapters[name].capabilities.deletes_messages, times)


def _restoring(settings: Settings, db: Database, config: Configuration, erasure: Erasure) -> Restoring:
    async def erase_again(account_id: UUID, session_id: UUID) -> None:
        await erasure.erase_one((await config.refreshed()).accounts[account_id], session_id)

    return Restoring(db, JournalFile(settings.keyring_path.with_suffix(".journal")), erase_again)
