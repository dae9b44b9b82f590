"""``relay restore-check``."""

from __future__ import annotations

from relay.cli.running import out, run, settings_or_exit
from relay.core.journal import Missed
from relay.wiring import Relay


def command() -> None:
    """After a backup was restored, before anything is served: end and erase again what had been when it was taken, or since."""
    settings = settings_or_exit()

    async def work(relay: Relay) -> None:
        lost = await relay.rotation.give_up()
        done = await relay.restoring.replay()
        unreadable = await relay.restoring.end_unreadable(lost)
        await relay.restoring.check()
        await relay.rotation.look()
        out.print(f"closed {done[Missed.CLOSE]} and erased {done[Missed.ERASE]} sessions that had ended since")
        if lost:
            names = ", ".join(map(str, lost))
            out.print(f"gone for good: {names}; closed {unreadable} open sessions whose phones they sealed")
        out.print("the database knows what the journal tells: it may be served")

    run(settings, work, migrate=not settings.database_url, restoring=True)
