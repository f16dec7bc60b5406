"""Send a fixed text to every account over one kept connection: the least that a courier does.

With ``update``, one UPDATE of the account's row is committed for each message.
"""

import sys

import django

django.setup()

from django.contrib.auth import get_user_model  # noqa: E402
from django.core.mail import get_connection, send_mail  # noqa: E402
from django.utils.timezone import now  # noqa: E402

if __name__ == "__main__":
    with get_connection() as connection:
        users = get_user_model()._default_manager
        for user in users.all():
            send_mail("Confirm", "https://site.example", None, [user.email], connection=connection)
            if sys.argv[1:] == ["update"]:
                users.filter(pk=user.pk).update(last_login=now())
