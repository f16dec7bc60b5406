"""Create our site's tables and accounts: ``python -m tests.benchmarks.sites.our_rows 20000``."""

import sys

import django

django.setup()

from django.core.management import call_command  # noqa: E402
from django.db import connection  # noqa: E402

from tests.benchmarks.crowd import add_waiting  # noqa: E402
from tests.benchmarks.sites import address  # noqa: E402

if __name__ == "__main__":
    call_command("migrate", run_syncdb=True, verbosity=0)
    add_waiting([address(each) for each in range(int(sys.argv[1]))])
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            # The index that the documentation names for this database.
            cursor.execute("CREATE INDEX ON sites_of_benchmarks_visitor (UPPER(email))")
        cursor.execute("ANALYZE")
