"""What a fresh sandbox is furnished with: an account, a connection to the simulated carrier, a pool of thirty numbers.

Every step looks first whether it was done, so that a second start finds everything again and a start that was interrupted
goes on. The numbers, and the phones that the page proposes, are of ranges that no real person can have: +1 AAA 555 01xx
(North American numbering plan, fictional use) and +46 70 174 06 xx (the Swedish authority's numbers for films). Numbers are
the lower half of each range, people the upper.
"""

from __future__ import annotations

import secrets
from collections.abc import Collection
from dataclasses import dataclass
from typing import Protocol

from relay.core import ids
from relay.core.errors import DataDirectoryRefused, NotAuthenticated, NotFound
from relay.core.ids import Seed
from relay.core.model import Scope
from relay.core.phone import parse_number
from relay.sandbox.memory import Memory
from relay.services.accounts import Accounts
from relay.services.connections import Connections
from relay.services.keys import Keys
from relay.services.numbers import Numbers, NumberWanted
from relay.services.pools import Pools
from relay.storage.configuration import Account, Connection, Pool
from relay.storage.database import Database

NUMBERS = (
    *(f"+1202555010{n}" for n in range(10)),
    *(f"+1415555010{n}" for n in range(10)),
    *(f"+467017406{n:02}" for n in range(5, 15)),
)
PEOPLE = (
    "+12025550177",
    "+46701740677",
    "+12025550150",
    "+14155550160",
    "+14155550199",
    "+46701740655",
    "+46701740699",
)

_PROVIDER = "twilio"
_RATE = 20.0  # segments per second: nobody waits for a demonstration
_PROGRAMME = {"programme": "Sandbox Rides", "help_contact": "Questions: help@rides.example"}


def spaced(e164: str) -> str:
    """A number of the sandbox as people write it: +1 202 555 0177, +46 70 174 06 77."""
    if e164.startswith("+1"):
        return f"+1 {e164[2:5]} {e164[5:8]} {e164[8:]}"
    return f"{e164[:3]} {e164[3:5]} {e164[5:8]} {e164[8:10]} {e164[10:]}"


class Services(Protocol):
    """What furnishing needs of the house."""

    @property
    def database(self) -> Database: ...
    @property
    def accounts(self) -> Accounts: ...
    @property
    def connections(self) -> Connections: ...
    @property
    def keys(self) -> Keys: ...
    @property
    def numbers(self) -> Numbers: ...
    @property
    def pools(self) -> Pools: ...


@dataclass(frozen=True, slots=True)
class Demo:
    """The account and its connection."""

    account: Account
    connection: Connection


async def furnish(services: Services, memory: Memory) -> Demo:
    """Make what is not there yet. Raises DataDirectoryRefused when this database has other credentials sealed."""
    account = await _account(services)
    connection = await _connection(services, account, memory)
    pool = await _pool(services, account)
    there = {view.number.e164 for view in await services.numbers.listed(account)}
    for number in NUMBERS:
        if number not in there:
            wanted = NumberWanted(parse_number(number), pool, connection.id, _RATE)
            await services.numbers.add(account, wanted, await _seed(services))
    return Demo(account, connection)


async def key_that_works(
    services: Services, account: Account, key: str, *, name: str, scopes: Collection[Scope]
) -> str:
    """The remembered API key, or a new one where that is empty or works no more."""
    try:
        if key and (await services.keys.caller(key)).account.id == account.id:
            return key
    except NotAuthenticated:
        pass
    return await services.keys.add(account, name=name, scopes=scopes)


async def _account(services: Services) -> Account:
    try:
        account = await services.accounts.by_name("demo")
    except NotFound:
        account = await services.accounts.add("demo")
    return account if account.programme else await services.accounts.change(account.id, dict(_PROGRAMME))


async def _connection(services: Services, account: Account, memory: Memory) -> Connection:
    for connection in await services.connections.listed(account):
        if not await services.connections.test(account, connection.id):
            raise DataDirectoryRefused(
                "the sandbox's database was made with another sandbox.json: remove its folder to start a new one"
            )
        return connection
    credentials = {"account_sid": memory.account_sid, "auth_token": memory.auth_token}
    return await services.connections.add(account, _PROVIDER, credentials, await _seed(services))


async def _pool(services: Services, account: Account) -> Pool:
    try:
        return await services.pools.find(account, "default")
    except NotFound:
        return await services.pools.add(account, "default", await _seed(services))


async def _seed(services: Services) -> Seed:
    return Seed(await services.database.now(), secrets.token_bytes(ids.ENTROPY_BYTES))
