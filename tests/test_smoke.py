import re

import pytest
from django.core import mail

from resend_confirmation import engine
from resend_confirmation.models import Delivery


@pytest.mark.django_db(transaction=True)
def test_all(client, pending, confirmed, blocked):
    def post(u, d=None, **k):
        r = client.post(u, data=d, content_type="application/json", **k)
        print(u, d, r.status_code, dict(r.headers), r.content)
        return r

    for a in "pending", "pending", "confirmed", "blocked", "none", "\ud800":
        post(
            "/api/oauth2/user/resend_confirmation_link?client_id=57&state=123456789",
            {"username": a},
        )
    r = post("/api/oauth2/user/resend_confirmation_link?client_id=57&state=1", {"username": "a"})
    post(
        "/api/user/resend_confirmation_link?projectId=40db2ea4-5d42-11e6-a3ff-005056a0e04a",
        {"username": "pending@example.com"},
    )
    for a in "pending", "confirmed", "blocked", "none":
        post("/accounts/resend-confirmation", {"email": a + "@example.com"})
        post("/auth/send-email-confirmation", {"email": a + "@example.com"})
        post("/api/auth/send-email-confirmation", {"email": a + "@example.com"})
        post(f"/api/users/resendconfirmation/{a}@example.com")
    print(engine.drain())
    (m,) = mail.outbox
    print(m.message().as_string())
    print(list(Delivery.objects.values_list("state", "reason", "error_class")))
    t = re.search(r"token=(\S+)", m.body)[1]
    r = client.get("/confirm/?token=" + t)
    print(r.headers, r.content.decode())
    r = client.post("/confirm/", {"token": t})
    print(r.status_code, r.headers)
    r = client.post("/confirm/", {"token": t})
    print(r.status_code, r.content.decode())
    r = client.get("/schema/")
    print(r.content.decode())
