"""Metrics for Prometheus; see docs/how-to/monitor.md.

https://prometheus.github.io/client_python/

The state of the queue is read from the database when it is asked for. Requests and sent messages
are counted in the process that handles them, from the time when this module is imported.
"""

import os
from collections.abc import Iterator
from typing import Any

from django.dispatch import receiver
from django.http import HttpRequest, HttpResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe
from prometheus_client import REGISTRY, CollectorRegistry, Counter, Histogram
from prometheus_client.exposition import choose_encoder
from prometheus_client.metrics_core import GaugeMetricFamily, Metric
from prometheus_client.multiprocess import MultiProcessCollector

from ..engine import status
from ..models import Delivery
from ..outcomes import DeliveryState, Ending, Priority
from ..signals import delivery_changed, ended

#: Upper bounds of the histogram in seconds; the first are those of a healthy queue.
BUCKETS = (1, 2, 5, 10, 30, 60, 120, 300, 600, 1800, 3600, 6 * 3600, 24 * 3600)

REQUESTS = Counter(
    "resend_confirmation_requests",
    "Requests to resend that were answered; quiet ones end as sent.",
    ["dialect", "ending"],
)
SECONDS = Histogram(
    "resend_confirmation_seconds_to_sent",
    "Seconds from a person's request or sign-up until the mail server accepted the message.",
    buckets=BUCKETS,
)


@receiver(ended, dispatch_uid=__name__)
def count_request(dialect: str, ending: Ending, **_: Any) -> None:
    """Count a request that was answered."""
    REQUESTS.labels(dialect, ending.value).inc()


@receiver(delivery_changed, dispatch_uid=__name__)
def observe_message(delivery_id: int, state: DeliveryState, **_: Any) -> None:
    """Observe a message that was sent, except for those of bulk runs, which are due later."""
    if state is not DeliveryState.SENT:
        return
    rows: Any = Delivery.objects.filter(pk=delivery_id, priority=Priority.PEOPLE)
    for asked_at, sent_at in rows.values_list("asked_at", "sent_at"):
        SECONDS.observe((sent_at - asked_at).total_seconds())


class DatabaseCollector:
    """The state of the queue, read from the database at each scrape."""

    def collect(self) -> Iterator[Metric]:
        """Yield the metrics; no count is above ``status.MOST``."""
        found = status.read(with_runs=False)
        yield _by_state("deliveries", "Deliveries", found.deliveries)
        yield _by_state("confirmations", "Confirmations", found.confirmations)
        yield _gauge("due", "Rows that a courier would claim now.", found.due)
        age = found.oldest_due_seconds or 0.0
        yield _gauge("oldest_due_seconds", "Seconds since the oldest of them became due.", age)
        yield _gauge("retrying", "Queued deliveries with earlier attempts.", found.retrying)
        text = "1 if sending is paused for the reason."
        paused = GaugeMetricFamily("resend_confirmation_paused", text, labels=["reason"])
        for reason in ("configuration", "budget"):
            is_reason = found.pause is not None and found.pause.reason == reason
            paused.add_metric([reason], float(is_reason))
        yield paused


def _by_state(name: str, noun: str, counts: dict[str, int]) -> Metric:
    text = f"{noun} by state, each counted up to {status.MOST}."
    family = GaugeMetricFamily(f"resend_confirmation_{name}", text, labels=["state"])
    for state, count in counts.items():
        family.add_metric([state], count)
    return family


def _gauge(name: str, text: str, value: float) -> Metric:
    return GaugeMetricFamily(f"resend_confirmation_{name}", text, value=value)


@never_cache
@require_safe
def metrics(request: HttpRequest) -> HttpResponse:
    """Return the metrics of the site's processes, and of the database."""
    registry = CollectorRegistry()
    if "PROMETHEUS_MULTIPROC_DIR" in os.environ:
        MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    else:
        registry.register(REGISTRY)
    registry.register(DatabaseCollector())
    encode, content_type = choose_encoder(request.headers.get("Accept", ""))
    return HttpResponse(encode(registry), content_type=content_type)
