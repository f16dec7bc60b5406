"""The counts of the deliveries of each hour."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("resend_confirmation", "0016_reminders"),
    ]

    operations = [
        migrations.CreateModel(
            name="HourlyCount",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("hour", models.DateTimeField(verbose_name="hour")),
                ("client", models.CharField(blank=True, max_length=100, verbose_name="client")),
                ("dialect", models.CharField(blank=True, max_length=50, verbose_name="dialect")),
                ("asked", models.PositiveIntegerField(default=0)),
                ("sent", models.PositiveIntegerField(default=0)),
                ("delivered", models.PositiveIntegerField(default=0)),
                ("bounced", models.PositiveIntegerField(default=0)),
                ("complained", models.PositiveIntegerField(default=0)),
                ("confirmed", models.PositiveIntegerField(default=0)),
                ("confirmed_in_minutes", models.PositiveIntegerField(default=0)),
                ("confirmed_in_an_hour", models.PositiveIntegerField(default=0)),
                ("confirmed_in_a_day", models.PositiveIntegerField(default=0)),
                ("counted_at", models.DateTimeField()),
            ],
            options={
                "verbose_name": "hourly count",
                "verbose_name_plural": "hourly counts",
                "default_permissions": (),
                "constraints": [
                    models.UniqueConstraint(
                        fields=("hour", "client", "dialect"), name="resend_conf_hourly_count"
                    )
                ],
            },
        ),
    ]
