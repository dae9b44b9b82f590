"""What the console needs of the house, and who is at it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from starlette.requests import Request

from relay.services.keys import Caller, Keys
from relay.services.retention import Retention
from relay.storage.database import Database
from relay.vault.vault import Vault
from relay.web.cookies import Cookies, Session, Visitor


class House(Protocol):
    """The services behind the console."""

    @property
    def database(self) -> Database: ...
    @property
    def public_url(self) -> str: ...
    @property
    def vault(self) -> Vault: ...
    @property
    def keys(self) -> Keys: ...
    @property
    def retention(self) -> Retention: ...


@dataclass(frozen=True, slots=True)
class Visit:
    """One request at the console. ``caller`` and ``session`` are there where the page asks for a login; ``fields`` is what a form
    said, once it is known that it is ours."""

    request: Request
    cookies: Cookies
    visitor: Visitor
    session: Session | None
    caller: Caller | None
    fields: dict[str, str]
