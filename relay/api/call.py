"""What a route is and what its handler is given: values, so that the application can be read as one table."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar

from relay.api.answers import Answers
from relay.api.parameters import Parameter
from relay.api.schemas import Body
from relay.core.errors import InvalidInput, Problem
from relay.core.ids import Seed
from relay.core.model import Scope
from relay.services.accounts import Accounts
from relay.services.affected import Affected
from relay.services.audit_exports import AuditExports
from relay.services.audit_reading import AuditReading
from relay.services.audit_witnesses import AuditWitnesses
from relay.services.bulk_close import BulkClose
from relay.services.connections import Connections
from relay.services.erasure import Erasure
from relay.services.holds import Holds
from relay.services.hooks import Hooks
from relay.services.idempotency import Idempotency
from relay.services.inbound import Inbound
from relay.services.keys import Caller, Keys
from relay.services.numbers import Numbers
from relay.services.pools import Pools
from relay.services.receipts import Receipts
from relay.services.retention import Retention
from relay.services.rotation import Rotation
from relay.services.sessions import Sessions
from relay.services.subjects import Subjects
from relay.services.suppressions import Suppressions
from relay.services.templates import Templates
from relay.services.texts import Texts
from relay.services.verifications import Verifications
from relay.services.webhooks import Webhooks
from relay.services.webhooks.ledger import Ledger
from relay.storage.configuration import Account, Configuration
from relay.storage.database import Database
from relay.vault.vault import Vault

B = TypeVar("B", bound=Body)

_SMALL_NUMBER = re.compile(r"[0-9]{1,3}")


class Services(Protocol):
    """What the API needs of the house."""

    @property
    def database(self) -> Database: ...
    @property
    def configuration(self) -> Configuration: ...
    @property
    def public_url(self) -> str: ...
    @property
    def vault(self) -> Vault: ...
    @property
    def accounts(self) -> Accounts: ...
    @property
    def affected(self) -> Affected: ...
    @property
    def audit_exports(self) -> AuditExports: ...
    @property
    def audit_reading(self) -> AuditReading: ...
    @property
    def audit_witnesses(self) -> AuditWitnesses: ...
    @property
    def bulk_close(self) -> BulkClose: ...
    @property
    def connections(self) -> Connections: ...
    @property
    def erasure(self) -> Erasure: ...
    @property
    def holds(self) -> Holds: ...
    @property
    def hooks(self) -> Hooks: ...
    @property
    def idempotency(self) -> Idempotency: ...
    @property
    def inbound(self) -> Inbound: ...
    @property
    def keys(self) -> Keys: ...
    @property
    def numbers(self) -> Numbers: ...
    @property
    def pools(self) -> Pools: ...
    @property
    def receipts(self) -> Receipts: ...
    @property
    def rotation(self) -> Rotation: ...
    @property
    def retention(self) -> Retention: ...
    @property
    def sessions(self) -> Sessions: ...
    @property
    def subjects(self) -> Subjects: ...
    @property
    def suppressions(self) -> Suppressions: ...
    @property
    def templates(self) -> Templates: ...
    @property
    def texts(self) -> Texts: ...
    @property
    def verifications(self) -> Verifications: ...
    @property
    def webhooks(self) -> Webhooks: ...
    @property
    def ledger(self) -> Ledger: ...


@dataclass(frozen=True, slots=True)
class Call:
    """One authenticated request. ``seed`` makes the id of whatever it creates."""

    services: Services
    caller: Caller
    path: Mapping[str, str]
    query: Mapping[str, str]
    body: Body | None
    seed: Seed

    @property
    def account(self) -> Account:
        return self.caller.account

    def read(self, kind: type[B]) -> B:
        """The body, as the kind that the route declares."""
        if not isinstance(self.body, kind):
            raise TypeError(f"this route declares another body than {kind.__name__}")
        return self.body


@dataclass(frozen=True, slots=True)
class Reply:
    """What a handler answers. ``shown_once``: fields that the same answer, given again, has as null."""

    body: Mapping[str, Any]
    status: int = 200
    shown_once: tuple[str, ...] = ()

    @property
    def again(self) -> Reply:
        """What is kept of it, to be given again."""
        return Reply({**self.body, **dict.fromkeys(self.shown_once)}, self.status)


@dataclass(frozen=True, slots=True)
class RawReply:
    """What a handler answers that others than we have laid down to the byte."""

    content: bytes
    media_type: str


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A route: nobody gets in without ``scope``, or one of those that are let in ``also``. The handler's name is the call's."""

    method: str
    path: str
    scope: Scope
    handler: Callable[[Call], Awaitable[Reply | RawReply]]
    summary: str
    body: type[Body] | None = None
    query: Mapping[str, Parameter | str] = field(default_factory=dict)  #: name -> what it means
    also: frozenset[Scope] = frozenset()
    answers: Answers | None = None  #: for the document that describes the API

    @property
    def pattern(self) -> str:
        """Its path as people write it: without how much of an address a name stands for."""
        return self.path.replace(":path}", "}")

    def admits(self, scopes: frozenset[Scope]) -> bool:
        return not scopes.isdisjoint({self.scope, *self.also})


def limit_of(call: Call) -> int:
    """``?limit=``: 1 to 200, 50 when not given. Raises InvalidInput."""
    given = call.query.get("limit", "50")
    if not (_SMALL_NUMBER.fullmatch(given) and 1 <= int(given) <= 200):
        raise InvalidInput(Problem("limit", "invalid", "must be a whole number from 1 to 200"))
    return int(given)
