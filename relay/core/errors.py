"""Every error that Relay raises on purpose, split by what the caller must do.

    RelayError
    +-- CallerMistake            the request is wrong; sending it again changes nothing
    |   +-- InvalidInput         one or more fields are wrong; each named in ``problems``
    |   |   +-- InvalidPhone
    |   +-- NotFound             unknown, or somebody else's: the two look the same
    |   +-- Conflict             right in itself, but not in the present state
    |   +-- NotAuthenticated
    |   +-- NotAllowed           the key lacks the scope
    |   +-- TooLarge
    |   +-- WrongContentType
    |   +-- TooMany              a rate limit; ``retry_after`` says when
    +-- TryLater                 passing: the same request may succeed
    |   +-- StorageUnavailable
    +-- OperatorMistake          the installation is wrong; says what to do
    |   +-- BadSettings
    |   +-- KeyringRefused
    |   +-- MigrationRefused
    |   +-- DataDirectoryRefused
    |   +-- EmbeddedServerFailed
    |   +-- NotDurable
    |   +-- DatabaseIsOld
    +-- Tampered                 a sealed value or token does not open here
    |   +-- KeyMissing           because this process does not hold the key: another keyring file may
    +-- WebhookRefused           a provider's request that we cannot trust or read
    +-- EvidenceRefused          a note, a record or a proof of an audit log that does not hold
    +-- NotAnswered              a customer's endpoint gave no whole answer; ``kind`` says where it ended
        +-- AddressRefused       because its name leads to an address that is not public

``code`` is a stable word for programs, the message is for people. Neither ever holds a phone, a text, a key or a
provider's words: what differs from case to case goes into attributes made of our own words.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong with one field: where, a stable word, and a sentence that says what would be right."""

    field: str
    code: str
    message: str


class RelayError(Exception):
    """Something went wrong in Relay."""

    code = "error"

    def __init__(self, message: str | None = None, *, code: str | None = None) -> None:
        self.message = message or (type(self).__doc__ or "").strip().split("\n")[0]
        self.code = code or type(self).code
        super().__init__(self.message)


class CallerMistake(RelayError):
    """The request cannot be carried out as it stands."""

    code = "invalid_request"


class InvalidInput(CallerMistake):
    """One or more fields are not valid."""

    code = "invalid_request"

    def __init__(self, *problems: Problem, code: str | None = None) -> None:
        self.problems = problems
        super().__init__("; ".join(f"{p.field}: {p.message}" for p in problems) or None, code=code)


class InvalidPhone(InvalidInput):
    """The phone is not one that a person can be reached at by text."""

    code = "phone_invalid"

    def __init__(self, field: str, message: str, *, code: str = "phone_invalid") -> None:
        super().__init__(Problem(field, code, message), code=code)


class NotFound(CallerMistake):
    """There is nothing here by that id."""

    code = "not_found"


class Conflict(CallerMistake):
    """The present state does not allow this."""

    code = "conflict"

    def __init__(
        self, message: str | None = None, *, code: str | None = None, retry_after: int | None = None, reason: str = ""
    ) -> None:
        super().__init__(message, code=code)
        self.retry_after = retry_after
        self.reason = reason


class NotAuthenticated(CallerMistake):
    """A valid API key is needed: Authorization: Bearer rk_..."""

    code = "not_authenticated"


class NotAllowed(CallerMistake):
    """This key does not have the scope that the call needs."""

    code = "scope_missing"


class TooLarge(CallerMistake):
    """The request body is larger than 64 kB."""

    code = "too_large"


class WrongContentType(CallerMistake):
    """The body must be JSON: Content-Type: application/json."""

    code = "wrong_content_type"


class TooMany(CallerMistake):
    """Too many requests with this key."""

    code = "rate_limited"

    def __init__(self, retry_after: int, message: str | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class TryLater(RelayError):
    """This cannot be done right now; the same request may succeed later."""

    code = "try_later"
    retry_after = 1


class StorageUnavailable(TryLater):
    """The database cannot be reached; nothing was changed that a retry would not find."""

    code = "storage_unavailable"
    retry_after = 2


class OperatorMistake(RelayError):
    """The installation is not set up rightly."""

    code = "installation"


class BadSettings(OperatorMistake):
    """A setting is missing or wrong."""

    code = "bad_settings"


class KeyringRefused(OperatorMistake):
    """The keyring is missing, unreadable, too open, or not the one that this database was sealed with."""

    code = "keyring_refused"


class MigrationRefused(OperatorMistake):
    """The database's schema is not one that this version can work with."""

    code = "migration_refused"


class DataDirectoryRefused(OperatorMistake):
    """The data directory cannot be used."""

    code = "data_directory_refused"


class EmbeddedServerFailed(OperatorMistake):
    """The embedded PostgreSQL server did not start."""

    code = "embedded_server_failed"


class NotDurable(OperatorMistake):
    """The database would lose acknowledged texts: fsync, full_page_writes and synchronous_commit must be on."""

    code = "not_durable"


class DatabaseIsOld(OperatorMistake):
    """The database was restored from a backup and has not been brought up to date."""

    code = "database_is_old"


class Tampered(RelayError):
    """A sealed value or token does not belong where it was found."""

    code = "tampered"


class KeyMissing(Tampered, TryLater):
    """The key that sealed this is not in the keyring of this process; another may have it."""

    code = "key_missing"
    retry_after = 5


class WebhookRefused(RelayError):
    """A provider's request whose signature or shape is wrong."""

    code = "webhook_refused"


class EvidenceRefused(RelayError):
    """A note, a record or a proof of an audit log does not hold."""

    code = "evidence_refused"


class NotAnswered(RelayError):
    """A customer's endpoint gave no whole answer. ``kind``: name, address, connect, tls, deadline or protocol."""

    code = "not_answered"

    def __init__(self, kind: str) -> None:
        super().__init__()
        self.kind = kind


class AddressRefused(NotAnswered):
    """A customer's endpoint has an address that is not public."""

    code = "address_refused"

    def __init__(self) -> None:
        super().__init__("address")
