"""Send djoser's message to every account, as a site does that has nothing but djoser."""

import django

django.setup()

from django.contrib.auth import get_user_model  # noqa: E402
from djoser.conf import settings  # noqa: E402

if __name__ == "__main__":
    for user in get_user_model()._default_manager.all():
        context = {"user": user, "domain": "site.example", "site_name": "site"}
        settings.EMAIL.activation(None, context).send([user.email])
