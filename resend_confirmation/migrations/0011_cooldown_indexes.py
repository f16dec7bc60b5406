"""Fewer indexes on cooldowns, to which each request writes."""

from typing import Any

from django.db import migrations, models

# On PostgreSQL, Django adds an index for LIKE to unique texts. Digests are only compared.
INDEXES = {
    "resend_confirmation_cooldown": "resend_confirmation_cooldown_digest_f35d3bbf_like",
    "resend_confirmation_suppression": "resend_confirmation_suppression_digest_3a3da0e1_like",
}


def drop(apps: Any, schema_editor: Any) -> None:
    if schema_editor.connection.vendor == "postgresql":
        for index in INDEXES.values():
            schema_editor.execute(f"DROP INDEX IF EXISTS {index}")


def restore(apps: Any, schema_editor: Any) -> None:  # pragma: no cover - undoes the migration
    if schema_editor.connection.vendor == "postgresql":
        for table, index in INDEXES.items():
            schema_editor.execute(f"CREATE INDEX {index} ON {table} (digest varchar_pattern_ops)")


class Migration(migrations.Migration):
    dependencies = [
        ("resend_confirmation", "0010_one_index_by_state"),
    ]

    operations = [
        migrations.RunPython(drop, restore),
        migrations.RemoveIndex(
            model_name="cooldown",
            name="resend_conf_cooldown_last",
        ),
        migrations.AddIndex(
            model_name="cooldown",
            index=models.Index(fields=["day_from"], name="resend_conf_cooldown_day"),
        ),
    ]
