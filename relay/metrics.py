"""What Prometheus may know: counts and times, with labels from closed lists only. Never a phone, a number or an id.

Processes that share one port also share their figures, through files in a folder that ``PROMETHEUS_MULTIPROC_DIR`` names
(prometheus-client, "Multiprocess Mode"): whichever of them is asked answers for all.
"""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest, multiprocess

REGISTRY = CollectorRegistry()
_QUICK = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)

inbound = Counter("relay_inbound_texts", "Inbound texts by what became of them", ["result"], registry=REGISTRY)
webhooks = Counter("relay_webhooks_refused", "Provider requests that were refused", ["kind"], registry=REGISTRY)
alarms = Counter(
    "relay_alarms", "Things that should never happen and a person should look at", ["kind"], registry=REGISTRY
)
attempts = Counter(
    "relay_attempts", "Attempts to hand a text over, by outcome", ["provider", "outcome"], registry=REGISTRY
)
refusals = Counter("relay_refused_texts", "Texts refused at the door or by a provider", ["reason"], registry=REGISTRY)
parked_loops = Counter("relay_parked_loops", "Texts parked because they looked like a loop", registry=REGISTRY)
receipts = Counter("relay_receipts", "Receipts by word", ["word"], registry=REGISTRY)
redactions = Counter(
    "relay_redactions",
    "Texts that carriers were told to delete, by what became of them",
    ["outcome"],
    registry=REGISTRY,
)
deliveries = Counter(
    "relay_webhook_deliveries",
    "Tries of telling an endpoint of an event, by what became of the delivery",
    ["result"],
    registry=REGISTRY,
)
sessions = Counter("relay_sessions", "Sessions opened, reopened and closed", ["what"], registry=REGISTRY)
hooks = Counter("relay_hook_answers", "What hooks said about texts", ["kind", "result"], registry=REGISTRY)
requests = Counter("relay_api_requests", "API requests by route and status", ["route", "status"], registry=REGISTRY)
ack_seconds = Histogram(
    "relay_webhook_seconds", "From a webhook's arrival to its answer", buckets=_QUICK, registry=REGISTRY
)
send_seconds = Histogram(
    "relay_send_seconds", "From writing to a provider to its answer", buckets=_QUICK, registry=REGISTRY
)
api_seconds = Histogram("relay_api_seconds", "From an API request to its answer", buckets=_QUICK, registry=REGISTRY)
waiting = Gauge(
    "relay_outbox_rows",
    "Texts that have not left, in the buckets owned",
    ["phase"],
    multiprocess_mode="livesum",
    registry=REGISTRY,
)
oldest = Gauge(
    "relay_outbox_oldest_seconds",
    "Age of the oldest text that has not left",
    ["phase"],
    multiprocess_mode="livemax",
    registry=REGISTRY,
)
in_flight = Gauge(
    "relay_sends_in_flight", "Sends whose answer is awaited", multiprocess_mode="livesum", registry=REGISTRY
)
buckets = Gauge(
    "relay_buckets_held",
    "Buckets owned: served by this process, or by all that share its port",
    multiprocess_mode="livesum",
    registry=REGISTRY,
)
upkeep_late = Gauge(
    "relay_upkeep_late_seconds",
    "How late each upkeep step last began",
    ["step"],
    multiprocess_mode="livemax",
    registry=REGISTRY,
)


class _Shared:
    """Whether other processes' figures are told with ours."""

    is_so = False


def share() -> None:
    """From now on ``page`` answers for all processes of the folder."""
    _Shared.is_so = True


def page() -> bytes:
    """The metrics in Prometheus's text format."""
    if not _Shared.is_so:
        return generate_latest(REGISTRY)
    everybody = CollectorRegistry()
    multiprocess.MultiProcessCollector(everybody)  # type: ignore[no-untyped-call]  # prometheus-client declares no types here
    return generate_latest(everybody)


def forget(pid: int, folder: str) -> None:
    """A process that shared its figures has ended: what it held is not held any more."""
    multiprocess.mark_process_dead(pid, folder)  # type: ignore[no-untyped-call]  # prometheus-client declares no types here
