"""Send a fixed text to every account over one kept connection: the least that a courier does."""

import django

django.setup()

from django.contrib.auth import get_user_model  # noqa: E402
from django.core.mail import get_connection, send_mail  # noqa: E402

if __name__ == "__main__":
    with get_connection() as connection:
        for user in get_user_model()._default_manager.all():
            send_mail("Confirm", "https://site.example", None, [user.email], connection=connection)
