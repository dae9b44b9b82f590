"""The tour: one story told in a terminal, in which every step is expected before it is believed.

It plays against a running sandbox over HTTP, as scripts and people would, and looks into the tables only at the end. It
ends at the first step that goes otherwise. ``tell`` is all there is to call.
"""

from __future__ import annotations

import time

import httpx
from rich.console import Console

from relay.sandbox import tour_acts as acts
from relay.sandbox import tour_evidence as evidence
from relay.sandbox.control import client
from relay.sandbox.tour_acts import Plot
from relay.sandbox.tour_stage import Mistold, Place, Stage
from relay.sandbox.tour_teller import Teller

_ACTS = (
    acts.a_session_is_opened,
    acts.they_write,
    acts.a_photo,
    acts.stop,
    acts.start,
    acts.the_session_is_closed,
    acts.a_late_text,
    acts.the_number_cools_down,
    acts.the_clock_moves_on,
    evidence.the_events,
)


async def tell(place: Place, console: Console | None = None, *, patience: float = 5.0) -> bool:
    """Tell the story of a fresh sandbox; says whether every step held. ``patience``: seconds for each thing to be seen."""
    teller, began = Teller(console or Console(highlight=False)), time.monotonic()
    teller.title(
        "Relay: two people text each other, and neither sees the other's phone number.",
        "A database, a simulated carrier and the relay were started for this story. No real phone is involved.",
    )
    bearer = {"authorization": f"Bearer {place.api_key}"}
    async with client(place.url, bearer) as api, client(place.url) as sandbox:
        plot = Plot(Stage(api, sandbox, patience), teller)
        try:
            for act in _ACTS:
                await act(plot)
            await evidence.what_is_kept(plot, place)
        except (Mistold, httpx.HTTPError) as error:
            teller.fail(str(error) or type(error).__name__)
            return False
    teller.end(f"Every step held. The story took {time.monotonic() - began:.1f} s; try it yourself: relay sandbox")
    return True
