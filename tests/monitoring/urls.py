"""The URLs of the test site, those of the how-to, and the metrics without a guard."""

from django.urls import path
from health_check.views import HealthCheckView

from resend_confirmation.contrib.prometheus import metrics
from tests.urls import urlpatterns

OUTBOX = "resend_confirmation.contrib.health_check.Outbox"

urlpatterns = [
    path("metrics", metrics),
    path(
        "health/",
        HealthCheckView.as_view(checks=["resend_confirmation.contrib.health_check.Outbox"]),
    ),
    *urlpatterns,
]
