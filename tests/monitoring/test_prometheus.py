"""Metrics, as Prometheus' own parsers read them."""

from typing import Any

import pytest
import yaml
from django.test import Client, RequestFactory
from prometheus_client import parser
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from resend_confirmation import engine
from resend_confirmation.models import Delivery
from tests.factories import PendingFactory, queued
from tests.subprocesses import COVERAGE, run
from tests.test_docs import blocks, first_cells, page, section

pytestmark = [pytest.mark.django_db]

MONITOR = "docs/how-to/monitor.md"


def scrape():
    """Return the value of each sample, by its name and labels."""
    answer = Client().get("/metrics")
    assert answer.status_code == 200
    assert answer["Content-Type"].startswith("text/plain; version=")
    assert "no-store" in answer["Cache-Control"]
    return samples(parser.text_string_to_metric_families(answer.content.decode()))


def samples(families):
    return {
        (sample.name.removeprefix("resend_confirmation_"), *sample.labels.values()): sample.value
        for family in families
        for sample in family.samples
    }


def grown(before, after):
    """Return the samples that have grown, and by how much."""
    by = {key: value - before.get(key, 0) for key, value in after.items()}
    return {key: value for key, value in by.items() if value > 0}


def post(path, typed):
    return Client().post(path, {"email": typed}, content_type="application/json")


def test_requests(pending):
    """Requests are counted by dialect and ending; a quiet one ends as sent."""
    before = scrape()
    for _ in range(2):
        post("/auth/send-email-confirmation", "nobody@example.com")
    post("/accounts/resend-confirmation", "nobody@example.com")
    after = grown(before, scrape())
    counts = {key: value for key, value in after.items() if key[0] == "requests_total"}
    assert sorted((key[2], value) for key, value in counts.items()) == [("sent", 1), ("unknown", 2)]
    assert len({key[1] for key in counts}) == 2


def test_seconds(clock, at_once):
    """The time from the request to the mail server is observed, except for bulk runs."""
    queued(PendingFactory.create())
    queued(PendingFactory.create())
    Delivery.objects.filter(pk=Delivery.objects.latest("pk").pk).update(priority=1)
    clock.move(seconds=7)
    before = scrape()
    engine.drain()
    assert Delivery.objects.filter(state="sent").count() == 2
    after = grown(before, scrape())
    assert after["seconds_to_sent_count",] == 1
    assert after["seconds_to_sent_sum",] == 7
    assert ("seconds_to_sent_bucket", "5.0") not in after
    assert after["seconds_to_sent_bucket", "10.0"] == 1


def test_queue(clock):
    """The state of the queue is read from the database."""
    for attempts in (0, 0, 1):
        queued(PendingFactory.create())
        Delivery.objects.filter(pk=Delivery.objects.latest("pk").pk).update(attempts=attempts)
    clock.move(seconds=40)
    found = scrape()
    assert found["deliveries", "queued"] == 3
    assert found["deliveries", "sent"] == 0
    assert found["confirmations", "pending"] == 3
    assert found["due",] == 3
    assert found["oldest_due_seconds",] == 40
    assert found["retrying",] == 1
    assert found["paused", "configuration"] == found["paused", "budget"] == 0


def test_pause(clock, change):
    """A pause has its reason."""
    change(HOURLY_BUDGET=1)
    for _ in range(2):
        queued(PendingFactory.create())
    engine.drain()
    found = scrape()
    assert (found["paused", "budget"], found["paused", "configuration"]) == (1, 0)


def test_nothing_is_due():
    """Without a row that is due, the oldest has no age."""
    assert scrape()["oldest_due_seconds",] == 0


def test_open_metrics():
    """A scraper that asks for OpenMetrics gets it."""
    answer = Client().get("/metrics", headers={"Accept": "application/openmetrics-text"})
    assert answer["Content-Type"].startswith("application/openmetrics-text")
    found = samples(text_string_to_metric_families(answer.content.decode()))
    assert found["deliveries", "sent"] == 0


def test_methods():
    """Metrics are only read."""
    assert Client().post("/metrics").status_code == 405


def test_no_address(pending):
    """No label has what a caller typed."""
    post("/auth/send-email-confirmation", "ann@example.com")
    assert "example.com" not in Client().get("/metrics").content.decode()


# Several processes

COUNT = """
import django
django.setup()
from resend_confirmation.contrib import prometheus
from resend_confirmation.outcomes import Outcome
from resend_confirmation.signals import ended
ended.send(None, dialect="shop", client="", ending=Outcome.SENT)
"""
SCRAPE = """
import django
django.setup()
from django.core.management import call_command
from django.test import Client
call_command("migrate", verbosity=0)
print(Client().get("/metrics").content.decode())
"""


def test_several_processes(tmp_path):
    """With a directory for several processes, a scrape of one has the counts of all."""
    variables = {
        "DJANGO_SETTINGS_MODULE": "tests.monitoring.settings",
        "PROMETHEUS_MULTIPROC_DIR": str(tmp_path),
        "TEST_DATABASE": "sqlite",
        **COVERAGE,
    }
    for _ in range(2):
        done = run("-c", COUNT, **variables)
        assert done.returncode == 0, done.stderr
    done = run("-c", SCRAPE, **variables)
    assert done.returncode == 0, done.stderr
    found = samples(parser.text_string_to_metric_families(done.stdout))
    assert found["requests_total", "shop", "sent"] == 2
    assert found["deliveries", "queued"] == 0


# The how-to


def test_every_metric_has_a_row(pending):
    """The table of the page has the metrics of the package, and no others."""
    post("/auth/send-email-confirmation", "nobody@example.com")
    families = parser.text_string_to_metric_families(Client().get("/metrics").content.decode())
    # The parser names a counter without its suffix.
    names = {
        f"{family.name}_total" if family.type == "counter" else family.name
        for family in families
        if family.name.startswith("resend_confirmation_") and not family.name.endswith("_created")
    }
    assert first_cells(section(page(MONITOR), "Prometheus")) == names


def test_alerts():
    """The rules of the page use metrics that exist; there is one for each of the three keys."""
    (rules,) = blocks(page(MONITOR), "yaml")
    (group,) = yaml.safe_load(rules)["groups"]
    found = scrape()
    names = {f"resend_confirmation_{key[0]}" for key in found}
    used = []
    for rule in group["rules"]:
        assert set(rule) == {"alert", "expr", "for", "annotations"}
        used += [name for name in sorted(names) if name in rule["expr"]]
    assert used == [
        "resend_confirmation_oldest_due_seconds",
        "resend_confirmation_paused",
        "resend_confirmation_retrying",
    ]


def test_guard(settings):
    """The view of the page answers only those who know the token."""
    names: dict[str, Any] = {}
    guarded = next(block for block in blocks(page(MONITOR), "python") if "METRICS_TOKEN" in block)
    exec(guarded, names)
    settings.METRICS_TOKEN = "the token"
    (pattern,) = [each for each in names["urlpatterns"] if each.pattern.match("metrics")]
    for header, status in [({}, 403), ({"Authorization": "Bearer the token"}, 200)]:
        request = RequestFactory().get("/metrics", headers=header)
        assert pattern.callback(request).status_code == status
