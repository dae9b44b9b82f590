"""Metrics: the page parses, and nothing on it can tell one person from another."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
from prometheus_client.metrics import MetricWrapperBase
from prometheus_client.parser import text_string_to_metric_families

import relay
from relay import metrics

#: Labels whose values come from a list that the code closes. What is counted per session, person or number is no metric.
CLOSED = {"result", "kind", "provider", "outcome", "reason", "word", "what", "route", "status", "phase", "step", "le"}

COLLECTORS = {name: thing for name, thing in vars(metrics).items() if isinstance(thing, MetricWrapperBase)}


def label_arguments(source: str) -> list[ast.expr]:
    """Everything that is passed to a call of ``.labels`` in a source text."""
    calls = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call)]
    labelled = [call for call in calls if isinstance(call.func, ast.Attribute) and call.func.attr == "labels"]
    return [argument for call in labelled for argument in [*call.args, *(keyword.value for keyword in call.keywords)]]


def is_put_together(argument: ast.expr) -> bool:
    """A text made on the spot: no list closes what can come out of it."""
    parts = list(ast.walk(argument))
    formats = [
        p for p in parts if isinstance(p, ast.Attribute) and p.attr in {"format", "join", "decode", "removeprefix"}
    ]
    return bool(formats) or any(isinstance(part, ast.JoinedStr | ast.BinOp) for part in parts)


def test_the_page_parses_when_everything_was_counted_once() -> None:
    for collector in COLLECTORS.values():
        if collector._labelnames:
            collector.labels(*["unknown"] * len(collector._labelnames))
    families = list(text_string_to_metric_families(metrics.page().decode()))

    assert {family.name for family in families} >= {collector._name for collector in COLLECTORS.values()}
    assert {label for family in families for sample in family.samples for label in sample.labels} <= CLOSED


@pytest.mark.parametrize("name", sorted(COLLECTORS))
def test_labels_come_from_closed_lists_when_a_metric_has_some(name: str) -> None:
    collector = COLLECTORS[name]

    assert set(collector._labelnames) <= CLOSED - {"le"}
    assert collector._name.startswith("relay_")
    assert collector._documentation


def test_no_metric_stands_outside_the_page_when_it_is_defined() -> None:
    assert set(COLLECTORS.values()) == set(metrics.REGISTRY._collector_to_names)


def test_no_label_is_put_together_when_something_is_counted() -> None:
    root = Path(relay.__file__).parent
    sources = {path: path.read_text(encoding="utf-8") for path in root.rglob("*.py")}
    made = [str(path) for path, source in sources.items() if any(map(is_put_together, label_arguments(source)))]

    assert made == []
    assert any(label_arguments(source) for source in sources.values())


@pytest.mark.parametrize(
    "argument", ['f"{phone}"', '"to " + phone', 'reason="%s" % phone', '"{}".format(phone)', "'/'.join(parts)"]
)
def test_a_label_is_seen_when_it_was_put_together(argument: str) -> None:
    assert all(map(is_put_together, label_arguments(f"metrics.refusals.labels({argument}).inc()")))
