"""The campaign itself: so many kills and so many texts, with every fault at least once."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from tests.campaign.campaign import Plan, Run, complaints, running, talk
from tests.campaign.crowd import Manners
from tests.campaign.history import History
from tests.campaign.outcome import Outcome
from tests.campaign.trouble import DEEDS, Keeper, Trouble
from tests.campaign.world import Shape

#: A fifth of the pools have hooks.
_SHAPE = Shape(pools=10, customer=True)


@dataclass(frozen=True, slots=True)
class Goal:
    """How much of what. ``within``: seconds of talking at most; ``rate``: texts a second. ``slack``: how much rarer than
    usual processes are killed, because each start of one costs as much as a thousand texts."""

    texts: int
    kills: int
    within: float
    rate: float
    slack: float = 1.0


async def campaign(folder: Path, *, seed: int, goal: Goal) -> Outcome:
    """Run it and tell what happened."""
    texts, kills = goal.texts, goal.kills
    plan = Plan(seed, texts, goal.within, shape=_SHAPE, manners=Manners(rate=goal.rate))
    async with running(plan, folder) as run:
        keeper = Keeper(run, armed=1 / goal.slack, enough=kills)
        trouble = Trouble(keeper, kill_every=2.5 * goal.slack)
        await keeper.begin()

        def enough() -> bool:
            return run.crowd.acked >= texts and keeper.kills >= kills and trouble.done.keys() >= DEEDS.keys()

        is_settled = await talk(run, trouble, enough=enough, calm=trouble.calm_down)
        codes = run.world.stop_children()
        run.history.write(folder / "history.jsonl")
        wrong = _judge(run, trouble, texts=texts, kills=kills)
        if not is_settled:
            wrong.append("texts were still under way a minute after the last fault")
        wrong += [f"{place} ended with {code}" for place, code in codes.items() if code != 0]
        _tell(run, trouble)
        if wrong:
            print(
                f"  again: python -m tests.campaign --seed {seed} --texts {texts} --kills {kills} --slack {goal.slack}"
            )
        return Outcome(
            f"{run.crowd.acked} texts and {trouble.keeper.kills} kills in {run.seconds['talking']:.0f} s,"
            f" {len(trouble.done)} kinds of fault, {len(trouble.keeper.struck)} places to die",
            wrong,
            {"texts": run.crowd.acked, "kills": trouble.keeper.kills},
        )


def _judge(run: Run, trouble: Trouble, *, texts: int, kills: int) -> list[str]:
    wrong = complaints(run, "crashes")
    wrong += trouble.keeper.ended_badly
    if run.crowd.acked < texts:
        wrong.append(f"only {run.crowd.acked} of {texts} texts were acknowledged in time")
    if trouble.keeper.kills < kills:
        wrong.append(f"only {trouble.keeper.kills} of {kills} kills in time")
    missing = DEEDS.keys() - trouble.done.keys()
    if missing:
        wrong.append(f"faults that did not happen: {', '.join(sorted(missing))}")
    return wrong


def _tell(run: Run, trouble: Trouble) -> None:
    history, keeper = run.history, trouble.keeper
    states: dict[str, int] = {}
    for message in history.messages:
        states[message.state] = states.get(message.state, 0) + 1
    print(f"  seed {run.plan.seed}")
    print(f"  {len(history.opened)} sessions, {len(history.ledger)} sends accepted by the carrier")
    print(f"  messages: {', '.join(f'{n} {state}' for state, n in sorted(states.items()))}")
    print(
        f"  webhooks answered: {', '.join(f'{s} x {n}' for s, n in sorted(run.crowd.answers.items()))} (0: not at all)"
    )
    print(f"  {_of_the_customer(history)}")
    print(f"  {keeper.kills} kills: {', '.join(f'{point} x {n}' for point, n in sorted(keeper.struck.items()))}")
    print(f"  faults: {', '.join(f'{deed} x {n}' for deed, n in sorted(trouble.done.items()))}")


def _of_the_customer(history: History) -> str:
    """What the marketplace's own server has seen."""
    asked = Counter(one.answer for one in history.asked)
    states = Counter(f"{name} {state}" for one in history.happened for name, state in one.deliveries.items())
    shown = ", ".join(f"{state} x {n}" for state, n in sorted((states + asked).items()))
    return f"{len(history.asked)} questions, {len(history.told)} posts about {len(history.happened)} events: {shown}"
