"""What the environment tells a build: where the database and the carrier are, and who it is itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

#: Seconds that a connection on which nothing is said stays open: longer than whatever stands in front of it keeps its own.
KEEP_ALIVE = 75


@dataclass(frozen=True, slots=True)
class Settings:
    """The same for every build. URLs have no slash at their end; ``database_url`` is a PostgreSQL DSN."""

    database_url: str = field(repr=False)
    carrier_url: str
    public_url: str
    port: int
    account_sid: str
    auth_token: str = field(repr=False)

    @property
    def inbound_url(self) -> str:
        """What the carrier signs when it posts a text."""
        return f"{self.public_url}/inbound"

    @property
    def messages_url(self) -> str:
        """Where texts are handed to the carrier."""
        return f"{self.carrier_url}/2010-04-01/Accounts/{self.account_sid}/Messages.json"

    def receipt_url(self, message_id: int) -> str:
        """Where the carrier tells what became of a text; signed, so that a message's id need not be secret."""
        return f"{self.public_url}/receipts/{message_id}"


def read_settings(environment: Mapping[str, str]) -> Settings:
    """Read the BENCH_ variables. Raises KeyError with the name of a missing one, ValueError for a port without sense."""
    return Settings(
        database_url=environment["BENCH_DATABASE_URL"],
        carrier_url=environment["BENCH_CARRIER_URL"].rstrip("/"),
        public_url=environment["BENCH_PUBLIC_URL"].rstrip("/"),
        port=int(environment["BENCH_PORT"]),
        account_sid=environment["BENCH_ACCOUNT_SID"],
        auth_token=environment["BENCH_AUTH_TOKEN"],
    )
