"""Upkeep: what is done in each bucket, and how often."""

from __future__ import annotations

from datetime import timedelta

from relay.services.caps import Caps
from relay.storage import upkeep
from relay.wiring.parts import Relay
from relay.worker.leases import Lease
from relay.worker.upkeep import Step, Timely


def steps(relay: Relay) -> list[Step]:
    """Upkeep: name, period in seconds, what to do in a bucket."""
    often, sometimes, rarely = relay.settings.upkeep_period, 5.0, 60.0
    caps = Caps(relay.database, relay.configuration)
    return [
        Step("timely", often, _timely(relay)),
        Step("look_for_ambiguous", often, lambda lease: relay.ambiguity.look(lease.bucket)),  # waits for providers
        Step("redact", sometimes, lambda lease: relay.redaction.redact(lease.bucket)),  # waits for providers
        Step("prepare_pools", sometimes, lambda lease: relay.pools.prepare_left(lease.bucket)),
        Step("close_many", 2 * often, lambda lease: relay.bulk_close.work(lease.bucket), rest=1.0),
        Step("spread_caps", 2 * often, lambda lease: caps.spread(lease.bucket)),
        Step("spread_closes", sometimes, lambda lease: relay.bulk_close.spread_left(lease.bucket)),
        Step("measure", 2 * often, lambda lease: relay.depths.measure(lease.bucket)),
        Step("forget_requests", rarely, lambda lease: relay.idempotency.forget(lease.bucket)),
        Step("forget_answers", rarely, lambda lease: relay.expiry.forget_answers(lease.bucket)),
        Step("forget_calls", rarely, lambda lease: relay.out_of_session.forget(lease.bucket)),
        Step("end_verifications", rarely, lambda lease: relay.verifications.end_old(lease.bucket)),
        Step("finish_erasures", rarely, lambda lease: relay.erasure.finish(lease.bucket)),
        Step("finish_requests", rarely, lambda lease: relay.subjects.finish(lease.bucket)),
        Step("forget_copies", 10 * rarely, lambda lease: relay.subjects.forget(lease.bucket)),
        Step("seal", 2 * often, lambda lease: relay.audit_log.seal(lease.bucket)),
        Step("sweep_webhooks", rarely, lambda lease: relay.telling.sweep(lease.bucket)),
        Step("sweep", rarely, lambda lease: relay.audit_log.sweep(lease.bucket)),
        Step("forget_entries", 10 * rarely, lambda lease: relay.audit_log.forget(lease.bucket)),
        Step("forget_exports", 10 * rarely, lambda lease: relay.audit_exports.forget(lease.bucket)),
        Step("forget_console", 10 * rarely, lambda lease: relay.keys.forget_sessions(lease.bucket)),
        Step("forget_closes", 10 * rarely, lambda lease: relay.bulk_close.forget(lease.bucket)),
        Step("forget", 30 * rarely, lambda lease: relay.retention.forget(lease.bucket)),
    ]


def _timely(relay: Relay) -> Timely:
    """What a glance into a bucket can find to do, by the name of its column."""
    ambiguity, expiry, scheduling = relay.ambiguity, relay.expiry, relay.scheduling
    patience = upkeep.Patience(timedelta(seconds=relay.settings.abandoned_after), timedelta(seconds=5))

    async def glance(lease: Lease) -> list[str]:
        async with relay.database.single() as tx:
            return await upkeep.glance(tx, lease.bucket, lease.epoch, patience)

    return Timely(
        glance,
        {
            "end_sessions": lambda lease: expiry.end_sessions(lease.bucket),
            "free_numbers": lambda lease: expiry.free_numbers(lease.bucket),
            "expire_parked": lambda lease: expiry.expire_parked(lease.bucket),
            "expire_texts": lambda lease: expiry.expire_texts(lease.bucket),
            "declare_ambiguous": lambda lease: ambiguity.declare(
                lease.bucket, epoch=lease.epoch, begun_before=patience.silent_send
            ),
            "release_texts": lambda lease: scheduling.release(lease.bucket),
            "tell_expiring": lambda lease: expiry.tell_expiring(lease.bucket),
            "tell_journal": lambda lease: relay.restoring.write(lease.bucket),
            "finish_opt_outs": lambda lease: relay.optouts.finish_old(
                lease.bucket, older_than=patience.fan_out.total_seconds()
            ),
        },
    )
