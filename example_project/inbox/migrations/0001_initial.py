"""The table of messages."""

from django.db import migrations, models


class Migration(migrations.Migration):
    initial = True

    dependencies = []

    operations = [
        migrations.CreateModel(
            name="Message",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("recipient", models.CharField(max_length=320)),
                ("sender", models.CharField(max_length=320)),
                ("subject", models.CharField(blank=True, max_length=998)),
                ("text", models.TextField(blank=True)),
                ("html", models.TextField(blank=True)),
                ("raw", models.TextField(blank=True)),
                ("received_at", models.DateTimeField(auto_now_add=True)),
            ],
            options={
                "ordering": ["-pk"],
            },
        ),
    ]
