"""Actions of staff on many confirmations, as bulk runs."""

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("resend_confirmation", "0012_runs"),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.AddField(
            model_name="run",
            name="action",
            field=models.CharField(
                choices=[
                    ("resend", "Send the message again"),
                    ("withdraw", "Withdraw"),
                    ("confirm", "Confirm by hand"),
                    ("reopen", "Open again"),
                ],
                db_default="resend",
                default="resend",
                max_length=16,
                verbose_name="action",
            ),
        ),
        migrations.AddField(
            model_name="run",
            name="done",
            field=models.PositiveIntegerField(db_default=0, default=0, verbose_name="successful"),
        ),
        migrations.AddField(
            model_name="run",
            name="entry",
            field=models.CharField(
                blank=True, db_default="", default="", editable=False, max_length=500
            ),
        ),
        migrations.AddField(
            model_name="run",
            name="position",
            field=models.PositiveIntegerField(db_default=0, default=0, verbose_name="processed"),
        ),
        migrations.AddField(
            model_name="run",
            name="selection",
            field=models.TextField(blank=True, db_default="", default="", editable=False),
        ),
        migrations.AddField(
            model_name="run",
            name="size",
            field=models.PositiveIntegerField(db_default=0, default=0, verbose_name="selected"),
        ),
        migrations.AddField(
            model_name="run",
            name="user",
            field=models.ForeignKey(
                blank=True,
                editable=False,
                null=True,
                on_delete=django.db.models.deletion.SET_NULL,
                related_name="+",
                to=settings.AUTH_USER_MODEL,
                verbose_name="started by",
            ),
        ),
    ]
