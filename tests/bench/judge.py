"""Was anything lost, doubled, misrouted or out of order in a run? Speed that costs one of these is none.

All sessions are open and nobody opts out, so that every acknowledged text must be in the carrier's ledger exactly once.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from itertools import pairwise

from tests.bench.load import Load, Said
from tests.bench.talks import Talk

Ledger = Sequence[tuple[int, str, str, float]]


def judge(load: Load, ledger: Ledger, receipts: int) -> list[str]:
    """A line for each promise that was broken. ``receipts``: how many the carrier was answered 2xx for."""
    broken = [*_lost_or_doubled(load, ledger), *_misrouted(load, ledger), *_out_of_order(load, ledger)]
    if receipts < len(ledger):
        broken.append(f"I12: {len(ledger) - receipts} receipts were not taken")
    unknown = set(load.answers) - {204, 503}
    if unknown:
        broken.append(f"webhooks were answered {sorted(unknown)}")
    return broken


def _lost_or_doubled(load: Load, ledger: Ledger) -> list[str]:
    sent = Counter(serial for serial, *_ in ledger)
    lost = sum(1 for said in load.said if said.acked and not sent[said.serial])
    doubled = sum(1 for times in sent.values() if times > 1)
    return [f"I1: {lost} acknowledged texts were not sent"] * bool(lost) + [
        f"I3, I11: {doubled} texts were sent more than once"
    ] * bool(doubled)


def _misrouted(load: Load, ledger: Ledger) -> list[str]:
    wanted = {said.serial: (said.talk.shown, said.talk.recipient) for said in load.said}
    wrong = sum(1 for serial, sender, to, _ in ledger if wanted.get(serial) != (sender, to))
    return [f"I4: {wrong} texts went to somebody else, or from another number"] * bool(wrong)


def _out_of_order(load: Load, ledger: Ledger) -> list[str]:
    """A text that was acknowledged before another of its leg was posted must be sent before it."""
    place = {serial: n for n, (serial, *_) in reversed(list(enumerate(ledger)))}
    legs: dict[Talk, list[Said]] = defaultdict(list)
    for said in load.said:
        if said.serial in place:
            legs[said.talk].append(said)
    wrong = sum(
        1
        for leg in legs.values()
        for before, after in pairwise(leg)
        if before.acked <= after.posted and place[before.serial] > place[after.serial]
    )
    return [f"I6: {wrong} texts overtook another of their leg"] * bool(wrong)
