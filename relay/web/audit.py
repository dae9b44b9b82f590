"""The auditor's page: what the log says and how far it is proved, what is kept and for how long, what could be handed over."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from starlette.responses import Response

from relay.core.data_class import DataClass, Rule
from relay.core.data_rules import RULES
from relay.core.errors import NotAuthenticated
from relay.core.model import CloseReason, Reason
from relay.services.keys import Caller
from relay.services.retention import Report
from relay.web.chart import charted
from relay.web.filters import charted_days, query_of, read_wanted, shown_again
from relay.web.house import House, Visit
from relay.web.log import Head, Log, Wanted
from relay.web.pages import Pages
from relay.web.wording import span

_PER_PAGE = 50
REASONS = sorted({*Reason, *CloseReason})


@dataclass(frozen=True, slots=True)
class Shown:
    """How far the log is proved, in words. ``is_well``: nothing in it asks for a second look."""

    is_well: bool
    words: str
    details: Sequence[str] = ()


async def show(log: Log | None, visit: Visit, house: House, pages: Pages) -> Response:
    """The whole page. With a filter that is none it shows what is wrong, and the rest as if it had not been set."""
    if visit.caller is None or visit.session is None:
        raise NotAuthenticated
    now = await house.database.now()
    wanted, problems = read_wanted(visit.request.query_params)
    report = await house.retention.report(visit.caller.account)
    return pages.show(
        "audit.html",
        status=422 if problems else 200,
        account=visit.caller.account.name,
        form_token=visit.cookies.form_token(visit.session.nonce),
        log=None if log is None else await _log_shown(log, visit.caller, wanted, now),
        given=shown_again(visit.request.query_params),
        problems=problems,
        reasons=REASONS,
        report=report,
        held=_held(report),
        rules={str(name): rule for name, rule in RULES.items() if name in _handed_over()},
    )


async def _log_shown(log: Log, caller: Caller, wanted: Wanted, now: datetime) -> dict[str, Any]:
    since, until = charted_days(wanted, now.date())
    found = await log.read(caller.account, caller.key_id, wanted, limit=_PER_PAGE)
    oldest = found.entries[-1].n if found.entries else None
    return {
        "band": band(found.head, now),
        "is_empty": found.head is None,
        "entries": found.entries,
        "older": query_of(wanted, oldest) if found.has_older else None,
        "newest": query_of(wanted) if wanted.before is not None else None,
        "session_query": lambda name: query_of(Wanted(session=name)),
        "chart": charted(await log.counts(caller.account, since, until), since, until),
        "since": since,
        "until": until,
    }


def band(head: Head | None, now: datetime) -> Shown:
    """How far the log is proved."""
    if head is None:
        return Shown(True, "Nothing has been sealed yet: the log begins with the first event.")
    last = head.size - 1
    denied = next((w for w in head.witnessed if not w.stands), None)
    if denied is not None:
        return _ill(f"what is kept does not fit the head that {denied.name} has cosigned to entry {denied.size - 1}.")
    if not head.is_proved:
        return _ill(f"what is kept does not fit the head that was signed to entry {last}.")
    details = [f"checkpoint signed {span(now - head.signed_at)} ago", "the entries shown are in the tree that it signs"]
    details += [f"witnessed by {w.name} to entry {w.size - 1}, {span(now - w.at)} ago" for w in head.witnessed]
    return Shown(
        True, f"Verified to entry {last}", details if head.witnessed else [*details, "no witness has cosigned it"]
    )


def _ill(why: str) -> Shown:
    advice = "Do not trust what stands below. Keep a copy of the checkpoint, and ask the operator."
    return Shown(False, f"Not verified: {why}", [advice])


def _held(report: Report) -> list[dict[str, Any]]:
    """The retention table, a row for each class of data."""
    return [
        {
            "name": str(holding.data_class).replace("_", " "),
            "rule": RULES[holding.data_class],
            "held": holding.held,
            "oldest": span(report.at - holding.oldest) if holding.oldest else None,
            "overdue": holding.overdue,
        }
        for holding in report.holdings
    ]


def _handed_over() -> list[DataClass]:
    """What is about people, and could therefore be asked for by whoever asks about one."""
    return [name for name, rule in RULES.items() if _is_about_people(rule)]


def _is_about_people(rule: Rule) -> bool:
    return rule.people != "none"
