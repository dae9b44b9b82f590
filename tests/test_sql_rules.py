"""The SQL files, held to the rules of ``sql_rules`` without a database, and the names of queries against their uses."""

from __future__ import annotations

import ast
from collections.abc import Iterator

import pytest

from relay.storage import queries
from tests.python_source import Source, sources
from tests.sql_bucket_rules import BIG, BUCKET_RULES, REFERENCE, TABLE_RULES
from tests.sql_rules import EVERYWHERE, QUERY_RULES
from tests.sql_source import SqlRule, Statement, migration_statements, query_statements

RULES = (*TABLE_RULES, *BUCKET_RULES, *QUERY_RULES, *EVERYWHERE)
QUERIES, MIGRATIONS = query_statements(), migration_statements()
NAMES = {statement.name for statement in QUERIES}


def test_the_statements_are_found_when_the_rules_are_checked() -> None:
    """An empty walk keeps every rule."""
    assert {"outbox.door", "endings.close", "migrate.record"} <= NAMES
    assert {"message", "outbox", "session", "lease", "event", "inbox_key", "person", "binding"} <= BIG
    assert not BIG & REFERENCE


@pytest.mark.parametrize("rule", [*BUCKET_RULES, *QUERY_RULES, *EVERYWHERE], ids=lambda rule: rule.name)
def test_a_rule_is_kept_when_all_queries_are_read(rule: SqlRule) -> None:
    assert rule.findings(QUERIES) == [], rule.reason


@pytest.mark.parametrize("rule", [*TABLE_RULES, *EVERYWHERE], ids=lambda rule: rule.name)
def test_a_rule_is_kept_when_all_migrations_are_read(rule: SqlRule) -> None:
    assert rule.findings(MIGRATIONS) == [], rule.reason


@pytest.mark.parametrize(("rule", "sql"), [pytest.param(rule, bad, id=rule.name) for rule in RULES for bad in rule.bad])
def test_a_breach_is_found_when_a_statement_breaks_the_rule(rule: SqlRule, sql: str) -> None:
    assert rule.findings([Statement("made.up", sql)]), sql


@pytest.mark.parametrize(
    ("rule", "sql"), [pytest.param(rule, good, id=rule.name) for rule in RULES for good in rule.good]
)
def test_no_breach_is_found_when_a_statement_keeps_the_rule(rule: SqlRule, sql: str) -> None:
    assert rule.findings([Statement("made.up", sql)]) == []


@pytest.mark.parametrize(
    ("rule", "name"), [pytest.param(rule, name, id=name) for rule in RULES for name in rule.exempt]
)
def test_an_exemption_is_needed_when_it_is_given(rule: SqlRule, name: str) -> None:
    (exempt,) = (statement for statement in QUERIES if statement.name == name)

    assert list(rule.broken(exempt)), f"{name} keeps the rule by now"
    assert rule.exempt[name]


def lookups(source: Source) -> Iterator[str]:
    """The statements that a source looks up, as ``module.name``: ``_SQL["name"]``, or ``_SQL[name]`` in a loop over names."""
    modules, loops = dict(_modules(source)), dict(_loops(source))
    for node in ast.walk(source.tree):
        if isinstance(node, ast.Subscript) and isinstance(node.value, ast.Name) and node.value.id in modules:
            key = node.slice
            names = loops[key.id] if isinstance(key, ast.Name) else [ast.literal_eval(key)]
            yield from (f"{modules[node.value.id]}.{name}" for name in names)


def _modules(source: Source) -> Iterator[tuple[str, str]]:
    """Name of a variable and the query file loaded into it."""
    for node in source.tree.body:
        value = node.value if isinstance(node, ast.Assign) else None
        if isinstance(node, ast.Assign) and isinstance(value, ast.Call) and ast.unparse(value.func) == "queries.load":
            yield ast.unparse(node.targets[0]), ast.literal_eval(value.args[0])


def _loops(source: Source) -> Iterator[tuple[str, list[str]]]:
    """Name of a variable and the names, written out, that a loop gives it."""
    for node in ast.walk(source.tree):
        if isinstance(node, ast.For) and isinstance(node.iter, ast.Tuple | ast.List):
            names = [str(item.value) for item in node.iter.elts if isinstance(item, ast.Constant)]
            if len(names) == len(node.iter.elts):
                yield ast.unparse(node.target), names


def test_every_query_is_used_and_every_used_one_exists_when_storage_is_read() -> None:
    used = {name for source in sources("relay/storage") for name in lookups(source)}

    assert sorted(used - NAMES) == []
    assert sorted(NAMES - used) == []


def test_queries_are_looked_up_in_storage_alone_when_all_of_relay_is_read() -> None:
    loading = [source.path for source in sources("relay") if "queries.load(" in source.text]

    assert [path for path in loading if not path.startswith("relay/storage/")] == []


def test_no_name_is_doubled_when_modules_are_loaded() -> None:
    """Loading refuses a doubled name; here every file is loaded, used or not."""
    assert sum(len(queries.load(module)) for module in queries.modules()) == len(NAMES)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ('_SQL = queries.load("a")\ntx.fetch(_SQL["b"])', ["a.b"]),
        ('_X = queries.load("a")\n_Y = queries.load("c")\nf(_X["b"], _Y["d"])', ["a.b", "c.d"]),
        ('_SQL = queries.load("a")\nfor n in ("b", "c"):\n    f(_SQL[n])', ["a.b", "a.c"]),
        ('other = {}\nother["b"]', []),
    ],
)
def test_a_lookup_is_found_when_a_statement_is_used(text: str, found: list[str]) -> None:
    assert list(lookups(Source("relay/storage/x.py", text))) == found


@pytest.mark.parametrize("text", ['_SQL["b" + x]', '_SQL[f"b_{x}"]', "_SQL[name]"])
def test_a_lookup_is_refused_when_its_name_is_put_together(text: str) -> None:
    with pytest.raises((ValueError, KeyError)):
        list(lookups(Source("relay/storage/x.py", f'_SQL = queries.load("a")\n{text}')))
