"""The dialect, the client and the language of each message."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("inbox", "0001_initial")]

    operations = [
        migrations.AddField(
            model_name="message",
            name=name,
            field=models.CharField(blank=True, default="", max_length=100),
            preserve_default=False,
        )
        for name in ("dialect", "client", "language")
    ]
