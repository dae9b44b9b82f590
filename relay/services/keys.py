"""API keys: ``rk_<key id>_<secret>``. The secret is shown once and kept as a hash; 256 random bits need no slow one.

A session at the console is a key too, one of hours that may read the audit log and whose secret nobody knows: it is seen in the
list of keys until a day after it ended, and ends when it is revoked. Who has no API key gets in by a link,
``rl_<key id>_<secret>``, which is good once.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

from relay.core import ids
from relay.core.errors import NotAuthenticated, NotFound
from relay.core.ids import IdKind
from relay.core.model import Scope
from relay.storage import keys
from relay.storage.configuration import Account, Configuration
from relay.storage.database import Database, Transaction
from relay.storage.keys import ListedKey, NewLink, StoredKey

LINK_VALID_FOR = timedelta(minutes=10)
CONSOLE_SESSION_FOR = timedelta(hours=8)

_PREFIX = "rk"
_LINK_PREFIX = "rl"
_CONSOLE = "console"
_SECRET_BYTES = 32
_LONGEST = 200
_BATCH = 100
_REMEMBERED_FOR = 1.0  # seconds
_REMEMBERED_AT_MOST = 10_000


@dataclass(frozen=True, slots=True)
class Caller:
    """Who makes a request, and what they may do."""

    key_id: UUID
    account: Account
    scopes: frozenset[Scope]


@dataclass(frozen=True, slots=True)
class _Remembered:
    """A key that was looked up a moment ago."""

    key: StoredKey | None
    at: float  #: monotonic
    now: datetime


@dataclass(frozen=True, slots=True)
class Keys:
    """A key that was looked up is remembered for a second at most: so soon does a revocation work."""

    database: Database
    configuration: Configuration
    _recent: dict[UUID, _Remembered] = field(default_factory=dict)

    async def add(
        self, account: Account, *, name: str, scopes: Collection[Scope], expires_at: datetime | None = None
    ) -> str:
        """Make a key and return it whole: the only time that anybody sees it."""
        secret = secrets.token_urlsafe(_SECRET_BYTES)
        async with self.database.transaction() as tx:
            key_id = tx.new_id(account.bucket)
            new = keys.NewKey(key_id, account.id, name, _hash(secret), frozenset(scopes), expires_at)
            await keys.add(tx, new)
        return _spelled(_PREFIX, key_id, secret)

    async def link(self, account: Account) -> str:
        """Make a link into the console and return its secret part: the only time that anybody sees it."""
        secret = secrets.token_urlsafe(_SECRET_BYTES)
        async with self.database.transaction() as tx:
            until = tx.now + LINK_VALID_FOR
            key_id = await _add_session(tx, account, until + CONSOLE_SESSION_FOR)
            await keys.add_link(tx, NewLink(key_id, account.id, _hash(secret), until))
        return _spelled(_LINK_PREFIX, key_id, secret)

    async def follow(self, presented: str) -> Caller:
        """Use a link up: whose console session it begins. Raises NotAuthenticated, the same for every way of being wrong."""
        key_id, secret = _split(presented, _LINK_PREFIX)
        use_id = UUID(bytes=secrets.token_bytes(16))

        async def work(tx: Transaction) -> bool:
            known = await keys.link_hash(tx, key_id)
            if not hmac.compare_digest(_hash(secret), known or bytes(32)):
                return False
            if await keys.use_link(tx, key_id, use_id):
                return True
            await keys.refuse_link(tx, key_id)
            return False

        if not await self.database.run(work):
            raise NotAuthenticated
        return await self.holder(key_id)

    async def begin_session(self, caller: Caller) -> UUID:
        """Begin a console session for whoever has shown this key; returns the key that the session is."""
        async with self.database.transaction() as tx:
            return await _add_session(tx, caller.account, tx.now + CONSOLE_SESSION_FOR)

    async def listed(self, account: Account) -> Sequence[ListedKey]:
        async with self.database.transaction() as tx:
            return await keys.listed(tx, account.bucket, account.id)

    async def forget_sessions(self, bucket: int) -> int:
        """Forget sessions at the console that were over a day ago; says how many."""
        return await self.database.run(lambda tx: keys.forget_sessions(tx, bucket, limit=_BATCH), single=True)

    async def revoke(self, account: Account, key_id: UUID) -> None:
        """Raises NotFound when there is no such live key."""
        if not await self.database.run(lambda tx: keys.revoke(tx, account.id, key_id)):
            raise NotFound

    async def caller(self, presented: str) -> Caller:
        """Who presents this key. Raises NotAuthenticated, the same for every way of being wrong."""
        key_id, secret = _split(presented, _PREFIX)
        key, now = await self._look_up(key_id)
        if not hmac.compare_digest(_hash(secret), key.secret_hash if key else bytes(32)):
            raise NotAuthenticated
        return await self._caller(key, now)

    async def holder(self, key_id: UUID) -> Caller:
        """Whose key this is, for somebody who has proved that it is theirs. Raises NotAuthenticated when it does not work."""
        return await self._caller(*await self._look_up(key_id))

    async def _caller(self, key: StoredKey | None, now: datetime) -> Caller:
        if key is None or not key.works(now):
            raise NotAuthenticated
        account = (await self.configuration.current()).accounts.get(key.account_id)
        if account is None:
            raise NotAuthenticated
        return Caller(key.id, account, key.scopes)

    async def _look_up(self, key_id: UUID) -> tuple[StoredKey | None, datetime]:
        """The key and the time. Unknown ids are remembered too, so that guessing costs the database little."""
        recent = self._recent.get(key_id)
        if recent is not None and time.monotonic() - recent.at <= _REMEMBERED_FOR:
            return recent.key, recent.now
        began = time.monotonic()
        async with self.database.transaction() as tx:
            key = await keys.read(tx, key_id)
            if key is not None and key.works(tx.now):
                await keys.used(tx, key_id)
        if len(self._recent) >= _REMEMBERED_AT_MOST:
            self._recent.clear()
        self._recent[key_id] = _Remembered(key, began, tx.now)
        return key, tx.now


def is_link(presented: str) -> bool:
    """Whether this would be a link's secret part, if it is anything."""
    return presented.startswith(f"{_LINK_PREFIX}_")


async def _add_session(tx: Transaction, account: Account, until: datetime) -> UUID:
    key_id = tx.new_id(account.bucket)
    nobodys = _hash(secrets.token_urlsafe(_SECRET_BYTES))
    await keys.add(tx, keys.NewKey(key_id, account.id, _CONSOLE, nobodys, frozenset({Scope.AUDIT}), until))
    return key_id


def _spelled(prefix: str, key_id: UUID, secret: str) -> str:
    letters = ids.public(IdKind.KEY, key_id).removeprefix(f"{IdKind.KEY}_")
    return f"{prefix}_{letters}_{secret}"


def _split(presented: str, expected: str) -> tuple[UUID, str]:
    """Raises NotAuthenticated."""
    prefix, _, rest = presented.partition("_")
    letters, _, secret = rest.partition("_")
    if prefix != expected or not secret or len(presented) > _LONGEST:
        raise NotAuthenticated
    try:
        return ids.parse(IdKind.KEY, f"{IdKind.KEY}_{letters}"), secret
    except NotFound:
        raise NotAuthenticated from None


def _hash(secret: str) -> bytes:
    return hashlib.sha256(secret.encode()).digest()
