"""Who may import whom, and what the pure part must not touch: tables of rules, and an ``ast`` walk that holds code to them.

Each row has a reason and sources that break it; a row that would let those pass is itself found out. An exception is a
row's ``good`` source or a pattern in its home, never a comment in the code.
"""

from __future__ import annotations

import pytest

from tests.home_rules import HOME_RULES, HOMES, Home, home_rule
from tests.layer_rules import LAYER_RULES, LAYERS
from tests.purity_rules import PURITY_RULES
from tests.python_source import Rule, Source, imports, sources

RULES = (*LAYER_RULES, *HOME_RULES, *PURITY_RULES)
RELAY = sources("relay")
FORMS = {
    "import": "import {0}",
    "import as": "import {0} as other",
    "import of a part": "import {0}.part",
    "from": "from {0} import thing",
    "from a part": "from {0}.part import thing as other",
    "in a function": "def use():\n    import {0}\n",
    "for types": "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from {0} import Thing\n",
    "if it is there": "try:\n    import {0}\nexcept ImportError:\n    pass\n",
}


def test_the_sources_are_found_when_the_rules_are_checked() -> None:
    """An empty walk keeps every rule."""
    assert {"relay/logs.py", "relay/core/ids.py", "relay/storage/database.py"} <= {source.path for source in RELAY}


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_a_rule_is_kept_when_all_of_relay_is_read(rule: Rule) -> None:
    assert rule.findings(RELAY) == [], rule.reason


@pytest.mark.parametrize(
    ("rule", "source"), [pytest.param(rule, bad, id=rule.name) for rule in RULES for bad in rule.bad]
)
def test_a_breach_is_found_when_a_source_breaks_the_rule(rule: Rule, source: Source) -> None:
    assert rule.findings([source]), source.text


@pytest.mark.parametrize(
    ("rule", "source"), [pytest.param(rule, good, id=rule.name) for rule in RULES for good in rule.good]
)
def test_no_breach_is_found_when_a_source_keeps_the_rule(rule: Rule, source: Source) -> None:
    assert rule.findings([source]) == []


@pytest.mark.parametrize("home", HOMES, ids=lambda home: home.package)
@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS.keys())
def test_a_package_is_found_when_it_is_imported_outside_its_home(home: Home, form: str) -> None:
    text = form.format(home.package)
    inside = Source(home.where[0].replace("*", "any.py"), text)

    assert home_rule(home).findings([Source("relay/services/any.py", text)])
    assert home_rule(home).findings([inside]) == []


@pytest.mark.parametrize(("home", "path"), [(home, path) for home in HOMES for path in home.but])
def test_a_package_is_found_when_it_is_imported_where_its_home_ends(home: Home, path: str) -> None:
    assert home_rule(home).findings([Source(path, f"import {home.package}")])


def test_every_rule_has_a_reason_and_a_proof_when_it_is_in_the_table() -> None:
    assert [rule.name for rule in RULES if not rule.reason or not rule.bad] == []
    assert len({rule.name for rule in RULES}) == len(RULES)
    assert all(home.reason and home.where for home in HOMES)


def test_each_package_has_one_place_when_layers_are_drawn() -> None:
    names = [name for layer in LAYERS for name in layer]

    assert len(names) == len(set(names))


@pytest.mark.parametrize(
    ("path", "text", "names"),
    [
        ("relay/core/ids.py", "import base64, os.path", ["base64", "os.path"]),
        ("relay/core/ids.py", "from relay.core.errors import NotFound as N", ["relay.core.errors.NotFound"]),
        ("relay/core/ids.py", "from . import errors", ["relay.core.errors"]),
        ("relay/core/ids.py", "from .errors import NotFound", ["relay.core.errors.NotFound"]),
        ("relay/core/__init__.py", "from .errors import NotFound", ["relay.core.errors.NotFound"]),
        ("relay/core/ids.py", "from .. import logs", ["relay.logs"]),
        ("relay/core/ids.py", "from ..vault.tokens import Tokens", ["relay.vault.tokens.Tokens"]),
    ],
)
def test_imports_are_named_in_full_when_they_are_read(path: str, text: str, names: list[str]) -> None:
    assert [found.name for found in imports(Source(path, text))] == names
