"""The reply of a mail server that refused or returned a message."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("resend_confirmation", "0013_selections"),
    ]

    operations = [
        migrations.AddField(
            model_name="delivery",
            name="error_text",
            field=models.CharField(
                blank=True, db_default="", default="", max_length=200, verbose_name="reply"
            ),
        ),
    ]
