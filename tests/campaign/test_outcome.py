"""The page about reliability says what was recorded, and nothing else."""

from __future__ import annotations

import json

from tests.campaign.checker import PROMISES as CHECKS
from tests.campaign.outcome import PAGE, PROMISES, RECORD, RUNS, page


def test_the_page_is_made_from_the_record() -> None:
    assert PAGE.read_text() == page(json.loads(RECORD.read_text()))


def test_every_promise_that_is_checked_stands_on_the_page_and_no_other() -> None:
    assert [promise.split(":")[0] for promise, _, _ in PROMISES] == list(CHECKS)


def test_a_complaint_is_told_when_there_was_one() -> None:
    shown = page({"load": {"at": "today", "commit": "abc", "figures": "5 texts", "wrong": ["I1: one is lost"]}})

    assert "5 texts; **1 complaints**: I1: one is lost | today, abc |" in shown
    assert shown.count("not run yet") == len(RUNS) - 1
