from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [
        ("resend_confirmation", "0007_plain_words"),
    ]

    operations = [
        migrations.AlterField(
            model_name="confirmation",
            name="last_delivery_state",
            field=models.CharField(
                blank=True,
                choices=[
                    ("asked", "requested"),
                    ("queued", "queued"),
                    ("sending", "sending"),
                    ("sent", "sent"),
                    ("delivered", "delivered"),
                    ("bounced", "bounced"),
                    ("complained", "reported as spam"),
                    ("ignored", "ignored"),
                    ("failed", "failed"),
                    ("abandoned", "abandoned"),
                    ("suppressed", "suppressed"),
                    ("superseded", "superseded"),
                    ("unknown", "unknown"),
                ],
                max_length=16,
                verbose_name="last delivery",
            ),
        ),
        migrations.AlterField(
            model_name="delivery",
            name="not_before",
            field=models.DateTimeField(verbose_name="due at"),
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
                    ("too_late", "too late: half of the link's lifetime had passed"),
                ],
                max_length=32,
                verbose_name="reason",
            ),
        ),
        migrations.AlterField(
            model_name="delivery",
            name="state",
            field=models.CharField(
                choices=[
                    ("asked", "requested"),
                    ("queued", "queued"),
                    ("sending", "sending"),
                    ("sent", "sent"),
                    ("delivered", "delivered"),
                    ("bounced", "bounced"),
                    ("complained", "reported as spam"),
                    ("ignored", "ignored"),
                    ("failed", "failed"),
                    ("abandoned", "abandoned"),
                    ("suppressed", "suppressed"),
                    ("superseded", "superseded"),
                    ("unknown", "unknown"),
                ],
                max_length=16,
                verbose_name="state",
            ),
        ),
        migrations.AlterField(
            model_name="suppression",
            name="why",
            field=models.CharField(
                choices=[
                    ("bounced", "bounced"),
                    ("complained", "reported as spam"),
                    ("by_hand", "by hand"),
                ],
                max_length=16,
                verbose_name="reason",
            ),
        ),
    ]
