"""Who of us may import whom, as a table. ``test_layers`` holds the code, and these rules themselves, to it.

A new package of ours gets its place in ``LAYERS``. A rule that stands in the way is changed here, with its reason, or
not at all.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import PurePosixPath

from tests.python_source import Rule, Source, at, imports

#: Top to bottom. A package imports what lies below it: not what is above, and not what stands beside it.
LAYERS: tuple[tuple[str, ...], ...] = (
    ("__main__",),
    ("cli",),
    ("wiring",),
    ("settings",),  # under wiring, so that cli and wiring read it and hand plain values to all others
    ("api", "web", "worker", "sandbox"),
    ("services",),
    ("storage", "vault", "providers"),
    ("logs", "metrics", "children", "precedence", "evidence"),  # evidence is checked where there is nothing but core
    ("core",),
)


def _upward(source: Source) -> Iterator[str]:
    own = _package(source.path)
    rank = {name: depth for depth, layer in enumerate(LAYERS) for name in layer}
    for found in imports(source):
        if not found.is_within("relay"):
            continue
        target = [*found.name.split("."), ""][1]
        if own not in rank or target not in rank:
            yield f"{found.line} imports {found.name}: one of the two has no place in the layers"
        elif own != target and rank[own] >= rank[target]:
            yield f"{found.line} imports {found.name}, which is not below {own}"


def _between_services(source: Source) -> Iterator[str]:
    own = ".".join(_module(source.path).split(".")[:3])  # a service may be a folder
    for found in imports(source) if source.lies_in("relay/services/*") else ():
        if found.is_within("relay.services") and not found.is_within(own):
            yield f"{found.line} imports {found.name}"


def _concrete_providers(source: Source) -> Iterator[str]:
    for found in imports(source) if source.lies_in("relay/services/*") else ():
        if found.is_within("relay.providers") and not found.is_within(
            "relay.providers.base", "relay.providers.transport", "relay.providers.guarded"
        ):
            yield f"{found.line} imports {found.name}"


_TRANSPORT_ERRORS = tuple(f"relay.providers.transport.{name}" for name in ("NoAnswer", "NothingLeft", "MayHaveLeft"))


def _beside_adapters(source: Source) -> Iterator[str]:
    """An adapter's own modules begin with its name; the frame, base and what the transports are made of, knows no adapter."""
    name = PurePosixPath(source.path).stem
    lookups = "relay.providers.lookups"
    frame = {"base": (), "transport": ("relay.providers.base",), "guarded": (lookups,), "lookups": ()}
    for found in imports(source) if source.lies_in("relay/providers/*") else ():
        if not found.is_within("relay.providers") or found.is_within(*frame.get(name, ("relay.providers.base",))):
            continue
        family = [*found.name.split("."), ""][2].split("_")[0]
        if name in frame or (family != name.split("_")[0] and found.name not in _TRANSPORT_ERRORS):
            yield f"{found.line} imports {found.name}"


def _inside_the_carrier(source: Source) -> Iterator[str]:
    for found in imports(source) if source.lies_in("relay/sandbox/carrier*") else ():
        if found.is_within("relay") and not found.name.startswith("relay.sandbox.carrier"):
            yield f"{found.line} imports {found.name}"


def _starting_servers(source: Source) -> Iterator[str]:
    allowed = source.lies_in("relay/storage/*", "relay/cli/*", "relay/wiring/*", "relay/sandbox/*")
    for found in imports(source) if not allowed else ():
        if found.is_within("relay.storage.embedded", "relay.storage.postgres_programs"):
            yield f"{found.line} imports {found.name}"


def _package(path: str) -> str:
    """``core`` for ``relay/core/ids.py``, ``logs`` for ``relay/logs.py``."""
    return PurePosixPath(path).with_suffix("").parts[1]


def _module(path: str) -> str:
    return ".".join(PurePosixPath(path).with_suffix("").parts)


LAYER_RULES: tuple[Rule, ...] = (
    Rule(
        "imports go down",
        "a layer that knows what is above or beside it cannot be understood, tested or replaced alone",
        _upward,
        [
            *at("relay/core/x.py", "from relay import logs", "import relay.vault", "from relay.storage.x import y"),
            *at(
                "relay/core/x.py",
                "if TYPE_CHECKING:\n    from relay.services import x",
                "def f():\n    import relay.api",
            ),
            *at("relay/logs.py", "from relay import metrics", "from relay.storage import queries"),
            *at(
                "relay/storage/x.py", "from relay.vault import sealing", "from ..providers import base", "import relay"
            ),
            *at("relay/services/x.py", "from relay.api.app import x", "from relay.settings import Settings"),
            *at(
                "relay/api/x.py", "from relay.worker import legs", "from relay.settings import x", "import relay.wiring"
            ),
            *at("relay/worker/x.py", "from relay import settings", "from relay.sandbox import carrier"),
            *at("relay/wiring/parts.py", "from relay.cli import serve"),
            *at("relay/settings.py", "from relay import wiring"),
            *at("relay/services/x.py", "from relay.newcomer import x", "from relay import *"),
            *at("relay/newcomer/x.py", "from relay.core import ids"),
        ],
        [
            *at("relay/cli/x.py", "from relay.wiring import open_relay", "from relay.core import ids"),
            *at("relay/wiring/parts.py", "from relay.settings import Settings", "from relay.worker import legs"),
            *at("relay/storage/x.py", "from relay.storage import queries", "from relay import logs, metrics"),
            *at("relay/core/x.py", "from . import errors", "import datetime"),
        ],
    ),
    Rule(
        "services stand alone",
        "what two of them do is one statement and one decision; a call between them hides a transaction in another",
        _between_services,
        [
            *at("relay/services/x.py", "from relay.services import y", "from relay.services.xy import z"),
            *at("relay/services/x.py", "from .y import z", "import relay.services.y"),
            *at("relay/services/x/z.py", "from relay.services.y import z"),
        ],
        [
            *at("relay/services/x.py", "from relay.storage import outbox", "from relay.services.x import y"),
            *at("relay/services/x/z.py", "from relay.services.x.y import z"),
        ],
    ),
    Rule(
        "services know no provider by name",
        "a provider's words and quirks end in its adapter; otherwise the second provider is a rewrite",
        _concrete_providers,
        [
            *at("relay/services/x.py", "from relay.providers import twilio", "import relay.providers.twilio_words"),
            *at("relay/services/x.py", "from relay.providers.twilio import Twilio", "from relay import providers"),
        ],
        [
            *at(
                "relay/services/x.py",
                "from relay.providers.base import Adapter",
                "from relay.providers import transport",
            ),
            *at("relay/services/x.py", "from relay.providers.guarded import GuardedTransport"),
        ],
    ),
    Rule(
        "adapters stand alone",
        "an adapter is pure functions over plain values: no other adapter, and of the transport only its errors",
        _beside_adapters,
        [
            *at("relay/providers/twilio.py", "from relay.providers import vonage", "from .vonage_words import X"),
            *at(
                "relay/providers/twilio_words.py",
                "from relay.providers.transport import Transport",
                "from . import transport",
            ),
            *at("relay/providers/base.py", "from relay.providers.twilio import X", "from . import transport"),
            *at("relay/providers/transport.py", "from relay.providers import twilio"),
            *at("relay/providers/guarded.py", "from relay.providers import twilio", "from . import transport"),
            *at("relay/providers/twilio.py", "from relay.providers.guarded import GuardedTransport"),
        ],
        [
            *at("relay/providers/twilio.py", "from relay.providers.twilio_words import X", "from . import base"),
            *at("relay/providers/twilio_words.py", "from relay.providers.twilio import X"),
            *at("relay/providers/twilio.py", "from relay.providers.transport import NothingLeft"),
            *at("relay/providers/transport.py", "from relay.providers.base import HttpRequest"),
        ],
    ),
    Rule(
        "the carrier is the outside world",
        "a bug that judge and judged share hides itself",
        _inside_the_carrier,
        [
            *at("relay/sandbox/carrier.py", "from relay.core import segments", "from relay import logs"),
            *at("relay/sandbox/carrier/rest.py", "from relay.sandbox.phones import x", "from ...core import ids"),
        ],
        [
            *at("relay/sandbox/carrier/rest.py", "from relay.sandbox.carrier.texts import x", "from . import texts"),
            *at("relay/sandbox/phones.py", "from relay.core import segments"),
        ],
    ),
    Rule(
        "servers are started at the top",
        "only what composes the process may start a database server and must end it",
        _starting_servers,
        [
            *at("relay/services/x.py", "from relay.storage.embedded import start_embedded"),
            *at("relay/api/x.py", "from relay.storage import embedded, database"),
            *at("relay/worker/x.py", "from relay.storage.postgres_programs import Launch"),
        ],
        [
            *at("relay/cli/x.py", "from relay.storage.embedded import start_embedded"),
            *at("relay/sandbox/x.py", "from relay.storage import embedded"),
            *at("relay/services/x.py", "from relay.storage.database import Database"),
        ],
    ),
)
