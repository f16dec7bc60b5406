"""Whether staff ended a confirmation, and the permission to open it again."""

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
    ]
