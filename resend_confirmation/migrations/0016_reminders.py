"""The number of reminders of each confirmation."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("resend_confirmation", "0015_open_again"),
    ]

    operations = [
        migrations.AddField(
            model_name="confirmation",
            name="reminders",
            field=models.PositiveSmallIntegerField(db_default=0, default=0, editable=False),
        ),
    ]
