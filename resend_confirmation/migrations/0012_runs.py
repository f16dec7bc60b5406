"""Bulk runs, and an index by which couriers take what people requested first."""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("resend_confirmation", "0011_cooldown_indexes"),
    ]

    operations = [
        migrations.CreateModel(
            name="Run",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("name", models.CharField(max_length=64, verbose_name="name")),
                ("started_at", models.DateTimeField(verbose_name="started at")),
                ("queued", models.PositiveIntegerField(default=0, verbose_name="messages queued")),
                ("next_at", models.DateTimeField(editable=False, null=True)),
                (
                    "cancelled_at",
                    models.DateTimeField(blank=True, null=True, verbose_name="cancelled at"),
                ),
            ],
            options={
                "verbose_name": "bulk run",
                "verbose_name_plural": "bulk runs",
                "constraints": [
                    models.UniqueConstraint(fields=("name",), name="resend_conf_run_name")
                ],
            },
        ),
        migrations.AddField(
            model_name="delivery",
            name="priority",
            field=models.PositiveSmallIntegerField(db_default=0, default=0, editable=False),
        ),
        migrations.AlterField(
            model_name="delivery",
            name="reason",
            field=models.CharField(
                blank=True,
                choices=[
                    ("", ""),
                    ("unknown", "no matching account"),
                    ("confirmed", "already confirmed"),
                    ("blocked", "account deactivated or confirmation withdrawn"),
                    ("cooling_down", "requested again too soon"),
                    ("not_enabled", "the client does not require confirmation"),
                    ("client_gone", "the client was removed from the settings"),
                    ("invalid", "not a valid address or user name"),
                    ("address_changed", "the account's address changed"),
                    ("suppressed", "the address is suppressed: it gets no more messages"),
                    ("unsupported", "the e-mail backend does not support this address"),
                    ("refused", "the mail server refused the recipient"),
                    ("configuration", "the e-mail settings do not work; the queue is paused"),
                    ("bounced", "the recipient's mail server returned the message (bounce)"),
                    ("complained", "the recipient reported the message as spam"),
                    ("not_accepted", "the mail server did not accept the message"),
                    ("crashed", "an unexpected error"),
                    ("interrupted", "the courier was stopped while sending"),
                    ("doubtful", "delivery is uncertain; the message may have been sent"),
                    ("superseded", "replaced by a newer message to this account"),
                    ("turn", "waiting: another message to this address is sent first"),
                    ("cancelled", "the bulk run was cancelled"),
                    ("too_late", "too late: half of the link's lifetime had passed"),
                ],
                max_length=32,
                verbose_name="reason",
            ),
        ),
        migrations.AddField(
            model_name="delivery",
            name="run",
            field=models.ForeignKey(
                db_constraint=False,
                db_index=False,
                editable=False,
                null=True,
                on_delete=django.db.models.deletion.DO_NOTHING,
                related_name="+",
                to="resend_confirmation.run",
                verbose_name="bulk run",
            ),
        ),
        migrations.AddIndex(
            model_name="delivery",
            index=models.Index(
                fields=["state", "priority", "not_before", "id"], name="resend_conf_delivery_next"
            ),
        ),
        migrations.RemoveIndex(
            model_name="delivery",
            name="resend_conf_delivery_due",
        ),
    ]
