"""Which texts a `GET Messages.json` asks for, and the page of them that it gets. Pure.

Times count in whole seconds, the finest that Twilio's answers show. `DateSent<` and `DateSent>` include their bound,
as the `<=` and `>=` that people write them with promise. Source: Twilio's OpenAPI document `twilio_api_v2010`,
ListMessage.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from relay.sandbox.carrier.refusals import Refusal
from relay.sandbox.carrier.texts import Text

_USUAL_PAGE = 50
_LARGEST_PAGE = 1000


@dataclass(frozen=True, slots=True)
class Listing:
    """A question for texts: filters that are None let everything pass; `after` is the last id of the page before."""

    recipient: str | None
    sender: str | None
    first: datetime
    last: datetime
    page: int
    page_size: int
    after: str | None

    def page_of(self, texts: Iterable[Text]) -> tuple[list[Text], bool]:
        """Cut this page out of `texts` (newest first); also say whether it is the last one."""
        matching = [text for text in texts if self._asks_for(text)]
        if self.after is not None:
            ids = [text.id for text in matching]
            matching = matching[ids.index(self.after) + 1 :] if self.after in ids else []
        return matching[: self.page_size], len(matching) <= self.page_size

    def _asks_for(self, text: Text) -> bool:
        is_between = self.first <= text.at.replace(microsecond=0) <= self.last
        return is_between and self.recipient in (None, text.recipient) and self.sender in (None, text.sender)


def parse_listing(query: Mapping[str, str]) -> Listing:
    """Read the query; raise `Refusal` for a date or page that cannot be read."""
    first, last = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)
    try:
        if "DateSent" in query:
            first = _moment(query["DateSent"])
            last = first + (timedelta(days=1, seconds=-1) if _is_day(query["DateSent"]) else timedelta())
        if "DateSent>" in query:
            first = max(first, _moment(query["DateSent>"]))
        if "DateSent<" in query:
            last = min(last, _moment(query["DateSent<"]))
        page, page_size = int(query.get("Page", 0)), int(query.get("PageSize", _USUAL_PAGE))
    except ValueError:
        raise Refusal(400, 20001) from None
    return Listing(
        recipient=query.get("To"),
        sender=query.get("From"),
        first=first,
        last=last,
        page=max(0, page),
        page_size=min(max(1, page_size), _LARGEST_PAGE),
        after=query["PageToken"].removeprefix("PA") if "PageToken" in query else None,
    )


def _is_day(value: str) -> bool:
    return len(value) == len("2026-11-20")


def _moment(value: str) -> datetime:
    """A day means its midnight, and a time without an offset is UTC."""
    moment = datetime.fromisoformat(value)
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).replace(microsecond=0)
