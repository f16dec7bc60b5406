"""Whether staff ended a confirmation, who may open it again, and whom a suppression is about."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("resend_confirmation", "0014_reply"),
    ]

    operations = [
        migrations.AlterModelOptions(
            name="confirmation",
            options={
                "permissions": [
                    (
                        "resend_confirmation",
                        "Can send the message of a confirmation again",
                    ),
                    ("withdraw_confirmation", "Can withdraw a confirmation"),
                    ("confirm_confirmation", "Can confirm an address by hand"),
                    ("reopen_confirmation", "Can open a confirmation again"),
                ],
                "verbose_name": "confirmation",
                "verbose_name_plural": "confirmations",
            },
        ),
        migrations.AddField(
            model_name="confirmation",
            name="by_hand",
            field=models.BooleanField(
                db_default=False, default=False, editable=False, verbose_name="by hand"
            ),
        ),
        migrations.AddField(
            model_name="suppression",
            name="sealed",
            field=models.CharField(
                blank=True, db_default="", default="", editable=False, max_length=64
            ),
        ),
    ]
