"""The audit log in the campaign of cuts: whatever breaks, nothing is in it twice, nothing is skipped, and it only grows."""

from __future__ import annotations

from collections import Counter

from relay.core.errors import EvidenceRefused
from tests.campaign.cut_case import Case, differing
from tests.campaign.cut_place import Place
from tests.services.logs import Log, check_growth, the_log


class Seal(Case):
    """An event is sealed into a log that has entries already, and marked."""

    async def prepare(self) -> None:
        self.talk = await self.open_talk(self.place.pools[0])
        await self._seal()
        self.before = await the_log(self.place.rig)
        await self.talk.say("What happened is told later.")

    async def act(self) -> None:
        await self._seal()

    async def _seal(self) -> None:
        """What upkeep does in its turn."""
        rig = self.place.rig
        await rig.relay.audit_log.seal(rig.account.bucket)

    async def afterwards(self, *, gone: bool) -> None:
        """The next turn, of whoever is there then; and one step of the sweep."""
        await self._seal()
        await self.place.rig.relay.audit_log.sweep(self.place.rig.account.bucket)

    async def wrong(self) -> list[str]:
        log = await grown(self.place, self.before)
        if isinstance(log, str):
            return [log]
        happened = {event for (event,) in await self.place.rows("select id from event")}
        marked = {event for (event,) in await self.place.rows("select event_id from sealed_event")}
        return differing(
            ("entries", Counter(log.events), Counter(happened)),
            ("marks", marked, happened),
            ("entries that were added", log.head.size - self.before.head.size, 1),
        )


class Forget(Case):
    """What entries stood for is forgotten when its time is over; the tree stays."""

    async def prepare(self) -> None:
        rig = self.place.rig
        await self.open_talk(self.place.pools[0], "long ago")
        await rig.relay.audit_log.seal(rig.account.bucket)
        self.before = await the_log(rig)
        await rig.rows("update audit_entry set sealed_at = sealed_at - interval '400 days' returning n")

    async def act(self) -> None:
        await self.place.rig.relay.audit_log.forget(self.place.rig.account.bucket)

    async def afterwards(self, *, gone: bool) -> None:
        """The next turn."""
        await self.act()

    async def wrong(self) -> list[str]:
        log = await grown(self.place, self.before)
        if isinstance(log, str):
            return [log]
        return differing(("entries", log.events, []), ("size", log.head.size, self.before.head.size))


async def grown(place: Place, before: Log) -> Log | str:
    """The log as it is now, read past the wire; in words what is wrong when it does not hold, or does not begin as it was."""
    await place.start(place.looking)
    try:
        log = await the_log(place.rig)
        check_growth(before, log)
        return log
    except (AssertionError, EvidenceRefused) as error:
        return f"the log does not hold: {error}"
