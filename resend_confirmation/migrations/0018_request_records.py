"""Records of requests, found by a digest of the identity that was typed."""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("resend_confirmation", "0017_hourly_counts"),
    ]

    operations = [
        migrations.CreateModel(
            name="RequestRecord",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("digest", models.CharField(editable=False, max_length=32)),
                ("asked_at", models.DateTimeField(verbose_name="requested at")),
                (
                    "dialect",
                    models.CharField(blank=True, max_length=50, verbose_name="dialect"),
                ),
                (
                    "client",
                    models.CharField(blank=True, max_length=100, verbose_name="client"),
                ),
                (
                    "reason",
                    models.CharField(
                        blank=True,
                        choices=[
                            ("unknown", "no matching account"),
                            ("confirmed", "already confirmed"),
                            ("blocked", "account deactivated or confirmation withdrawn"),
                            ("cooling_down", "requested again too soon"),
                            ("not_enabled", "the client does not require confirmation"),
                        ],
                        max_length=32,
                        verbose_name="reason",
                    ),
                ),
                (
                    "delivery",
                    models.ForeignKey(
                        blank=True,
                        db_constraint=False,
                        db_index=False,
                        null=True,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="+",
                        to="resend_confirmation.delivery",
                        verbose_name="delivery",
                    ),
                ),
            ],
            options={
                "verbose_name": "request",
                "verbose_name_plural": "requests",
                "indexes": [
                    models.Index(fields=["digest", "asked_at"], name="resend_conf_request_digest"),
                    models.Index(fields=["asked_at"], name="resend_conf_request_asked"),
                ],
            },
        ),
    ]
