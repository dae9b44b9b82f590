"""How fast texts may leave one number or one connection: GCRA over a given now.

A text of k segments takes k emission intervals, and the next one may start when they are over: one text at a time,
nothing saved up while idle. When the carrier says "too fast" the rate is halved and climbs back by itself.

No clock lives here: ``now`` is float seconds of one monotonic clock, the same for all calls on one ``Pace``. The danger
is keeping a ``Pace`` across processes or restarts, where that clock starts anew.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import inf

from relay.core.errors import InvalidInput, Problem

#: Segments per second by kind of number, where the account has not agreed on another speed with its carrier.
#: Long codes and short codes as Twilio documents them for the US, toll-free as AWS End User Messaging does.
DEFAULT_RATES: Mapping[str, float] = {"long_code": 1.0, "toll_free": 3.0, "short_code": 100.0}

RECOVERY = 0.01  # share of the full rate won back in each second: a tenth every ten seconds
LOWEST_SHARE = 0.1  # however often it is throttled, a number keeps trying

# The shortest hold makes one event of the refusals of all texts that were under way together. The longest keeps a
# provider's typing error from silencing a number; to be refused once every ten minutes does no harm.
SHORTEST_HOLD = 1.0
LONGEST_HOLD = 600.0


@dataclass(frozen=True, slots=True)
class Pace:
    """The pace of one number: ``rate`` segments per second when nothing slows it. A value; every change is a new one.

    ``free_at`` is when the text sent last has used up its time; ``held_until`` when the carrier's last objection ends;
    ``share`` the part of the full rate that is allowed then.
    """

    rate: float
    free_at: float = -inf
    held_until: float = -inf
    share: float = 1.0

    def __post_init__(self) -> None:
        if not 0 < self.rate < inf:
            raise InvalidInput(Problem("rate", "rate_invalid", "must be more than zero segments per second"))

    def ready_at(self, now: float) -> float:
        """When the next text may start to leave: ``now`` if it may at once."""
        return max(now, self.free_at, self.held_until)

    def rate_at(self, now: float) -> float:
        """Segments per second allowed at ``now``, the climb back after a throttle included."""
        calm = max(0.0, now - self.held_until)
        return self.rate * min(1.0, self.share + RECOVERY * calm)

    def spend(self, segments: int, now: float) -> Pace:
        """The pace after a text of that many segments started at ``now``.

        A text that could not wait for ``ready_at`` is not lost from the count: its time is added to what is owed.
        """
        start = self.ready_at(now)
        return replace(self, free_at=start + segments / self.rate_at(start))

    def throttle(self, now: float, retry_after: float = 0.0) -> Pace:
        """The pace after the carrier refused a text as too fast: half the present rate, and nothing for a while.

        ``retry_after`` is in seconds, 0 where the carrier named none; the hold lasts 1 to 600 s. The rate climbs back
        by a tenth of the full one for every 10 s after the hold. A refusal during a hold prolongs it without halving
        again: its text left before the first refusal was known.
        """
        hold = min(max(SHORTEST_HOLD, retry_after), LONGEST_HOLD)
        held_until = max(self.held_until, now + hold)
        if now < self.held_until:
            return replace(self, held_until=held_until)
        share = max(LOWEST_SHARE, self.rate_at(now) / self.rate / 2)
        return replace(self, held_until=held_until, share=share)
