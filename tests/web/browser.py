"""Somebody at the console, without a browser: keeps cookies as one does, sends forms as one does."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import httpx

from relay.api.app import build_app
from relay.api.audit_exports import Exporting
from relay.api.provider_hooks import ProviderHooks
from relay.core.model import Scope
from relay.web import console
from relay.web.log import Log
from tests.services.rig import Rig

PUBLIC_URL = "https://relay.example.com"
FORM = "application/x-www-form-urlencoded"


@dataclass(frozen=True, slots=True)
class Browser:
    """A fresh one knows nobody."""

    rig: Rig
    http: httpx.AsyncClient

    async def get(self, path: str, **headers: str) -> httpx.Response:
        return await self.http.get(path, headers=_named(headers))

    async def post(self, path: str, fields: dict[str, str], **headers: str) -> httpx.Response:
        """A form, sent from our own page unless ``origin`` says otherwise; an empty header is left out."""
        given = {"origin": origin_of(self.rig), **_named(headers)}
        return await self.http.post(path, data=fields, headers={k: v for k, v in given.items() if v})

    async def token(self, path: str = "/console/login") -> str:
        """What the forms of a page carry."""
        return form_token((await self.get(path)).text)

    async def log_in(self, secret: str) -> httpx.Response:
        return await self.post("/console/login", {"form_token": await self.token(), "secret": secret})

    async def log_out(self) -> httpx.Response:
        return await self.post("/console/logout", {"form_token": await self.token("/console/audit")})

    async def is_in(self) -> bool:
        """Whether the page that asks for a login is shown."""
        answer = await self.get("/console/audit")
        assert (answer.status_code, answer.headers.get("location")) in {(200, None), (303, "/console/login")}
        return answer.status_code == 200

    @property
    def cookies(self) -> dict[str, str]:
        return dict(self.http.cookies)


def form_token(page: str) -> str:
    found = re.search(r'name="form_token" value="([^"]+)"', page)
    assert found, page
    return found[1]


def origin_of(rig: Rig) -> str:
    return "/".join(rig.relay.public_url.split("/")[:3])


@asynccontextmanager
async def browser(rig: Rig, log: Log | None = None) -> AsyncIterator[Browser]:
    """A browser that was never here."""
    app = build_app(rig.relay, api_rate=1e6, extra=console.routes(rig.relay, log, Exporting(rig.relay)))
    whole = ProviderHooks(rig.relay, public_url=rig.relay.public_url, behind=app)
    transport = httpx.ASGITransport(whole)
    async with httpx.AsyncClient(transport=transport, base_url=origin_of(rig), trust_env=False) as http:
        yield Browser(rig, http)


async def audit_key(rig: Rig, *scopes: Scope) -> str:
    return await rig.relay.keys.add(rig.account, name="auditor", scopes=scopes or (Scope.AUDIT,))


async def sealed(rig: Rig) -> None:
    """All that has happened so far is in the log."""
    while await rig.relay.audit_log.seal(rig.account.bucket):
        pass


def _named(headers: dict[str, str]) -> dict[str, str]:
    return {name.replace("_", "-"): value for name, value in headers.items()}
