"""The admin: its pages, permissions and actions, and the data that it never shows."""

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.contrib import admin
from django.contrib.admin.models import ADDITION, CHANGE, DELETION, LogEntry
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Permission
from django.contrib.messages import get_messages
from django.core import mail
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from resend_confirmation import database, engine
from resend_confirmation.admin import actions, confirmations, long_lists
from resend_confirmation.courier import send_due
from resend_confirmation.dialects.base import mounted_dialects
from resend_confirmation.models import (
    Confirmation,
    Cooldown,
    Delivery,
    RequestRecord,
    Suppression,
)
from resend_confirmation.signals import confirmed as confirmed_signal

from .factories import PendingFactory, UserFactory, address_of

CONFIRMATIONS = "/admin/resend_confirmation/confirmation/"
REQUESTS = "/admin/resend_confirmation/requestrecord/"
DELIVERIES = "/admin/resend_confirmation/delivery/"
SUPPRESSIONS = "/admin/resend_confirmation/suppression/"

#: Two of the dialects.
FIRST, SECOND, *_ = sorted(mounted_dialects())
NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)

pytestmark = [pytest.mark.django, pytest.mark.django_db]


def staff(*permissions, **values):
    """Return a test client that is logged in with these permissions."""
    user: Any = UserFactory(is_staff=True, **values)
    for name in permissions:
        user.user_permissions.add(
            Permission.objects.get(
                codename=name, content_type__app_label__in=["auth", "resend_confirmation"]
            )
        )
    browser = Client()
    browser.force_login(user)
    return browser


@pytest.fixture
def root():
    """A test client that is logged in as a superuser."""
    return staff(username="root", is_superuser=True)


def waiting(name, **values):
    """Create a pending account and return its confirmation, updated with ``values``."""
    user: Any = PendingFactory(username=name)
    Confirmation.objects.filter(account=user).update(**values)
    return Confirmation.objects.get(account=user)


def delivery(confirmation=None, **values):
    """Create a sent delivery, requested at noon unless ``values`` differ."""
    values = {"state": "sent", "asked_at": NOON, "not_before": NOON, **values}
    return Delivery.objects.create(confirmation=confirmation, **values)


def listed(response):
    """Return the rows of a list, in order."""
    return list(response.context["cl"].result_list)


def addresses_in(response):
    """Return the addresses of a list of confirmations, in order."""
    return [row.address for row in listed(response)]


def press(browser, action, *rows, follow=False, **more):
    """Run an action of the list of confirmations on ``rows``, and answer its question."""
    pks = [row.pk for row in rows]
    newest = Confirmation.objects.latest("pk").pk
    answer = {"post": "yes", "newest": newest}
    data = {"action": action, "_selected_action": pks, "index": 0, **answer, **more}
    return browser.post(CONFIRMATIONS, data, follow=follow)


def said(response):
    """Return the messages shown after an action."""
    return [str(message) for message in get_messages(response.wsgi_request)]


class TestList:
    def test_pending_come_first_and_the_newest_request_first_among_them(self, root):
        """Pending confirmations come first, withdrawn ones last; each by the newest request."""
        waiting("old", requested_at=NOON)
        waiting("done", requested_at=NOON + timedelta(hours=3), state="confirmed")
        waiting("gone", requested_at=NOON + timedelta(hours=4), state="withdrawn")
        waiting("new", requested_at=NOON + timedelta(hours=1))
        assert addresses_in(root.get(CONFIRMATIONS)) == [
            "new@example.com",
            "old@example.com",
            "done@example.com",
            "gone@example.com",
        ]

    def test_it_takes_the_same_statements_for_any_number_of_rows(self, root):
        """50 rows take the same number of queries as 5."""
        counts = []
        for start, end in [(0, 5), (5, 50)]:
            for number in range(start, end):
                delivery(waiting(f"waiting{number}"))
            for page in (CONFIRMATIONS, DELIVERIES):
                # Otherwise one of the pages might have to read the database's clock.
                database.forget()
                database.now()
                with CaptureQueriesContext(connection) as queries:
                    response = root.get(page)
                assert len(listed(response)) == end
                counts.append(len(queries))
        assert counts[:2] == counts[2:]

    @pytest.mark.parametrize(
        ("page", "query"),
        [
            (CONFIRMATIONS, {"state__exact": "pending"}),
            (DELIVERIES, {"state__exact": "sent"}),
            (SUPPRESSIONS, {"why__exact": "bounced"}),
        ],
    )
    def test_a_filtered_list_counts_the_table_once(self, root, page, query):
        """Only the filtered rows are counted, not all rows as well."""
        with CaptureQueriesContext(connection) as queries:
            root.get(page, query)
        counting = [query["sql"] for query in queries if "COUNT(" in query["sql"]]
        assert len(counting) == 1

    @pytest.mark.parametrize(
        ("query", "expected"),
        [
            ({"state__exact": "confirmed"}, ["b@example.com"]),
            ({"client": "arcade"}, ["b@example.com"]),
            ({"client": "-"}, ["c@example.com"]),
            ({"client": "no such client"}, ["c@example.com", "b@example.com", "a@example.com"]),
            ({"last_delivery_state__exact": "bounced"}, ["c@example.com"]),
            ({"requested_at__gte": "2026-01-02 00:00:00+00:00"}, ["a@example.com"]),
            ({"last_sent_at__isnull": "False"}, ["c@example.com"]),
        ],
    )
    def test_filters(self, root, query, expected):
        """The list can be filtered by state, client, last delivery and dates."""
        waiting("a", requested_at=NOON + timedelta(days=2))
        waiting("b", requested_at=NOON, state="confirmed", client="arcade")
        waiting("c", requested_at=NOON, client="", last_delivery_state="bounced", last_sent_at=NOON)
        assert addresses_in(root.get(CONFIRMATIONS, query)) == expected

    @pytest.mark.parametrize(
        "query",
        [
            "theusername",
            "moved@example.org",  # the account's current address
            "WANTED@Example.COM",
            "ｗanted@example.com",  # the canonical form is the same
        ],
    )
    def test_search(self, root, query):
        """The search finds former and current addresses in any spelling, and user names."""
        user: Any = PendingFactory(username="theusername", email="wanted@example.com")
        user.email = "moved@example.org"
        user.save()
        waiting("somebody_else")
        assert addresses_in(root.get(CONFIRMATIONS, {"q": query})) == ["wanted@example.com"]

    @pytest.mark.parametrize("query", ["wanted@example.co", "anted@example.com", "play"])
    def test_search_does_not_match_parts(self, root, query):
        """A part of an address or a user name, for which there is no index, finds nothing."""
        waiting("player")
        waiting("wanted")
        assert addresses_in(root.get(CONFIRMATIONS, {"q": query})) == []

    def test_search_asks_for_what_was_not_found_before(self, root):
        """An address that has a confirmation is not looked up among the users, without an index."""
        waiting("player")
        with CaptureQueriesContext(connection) as queries:
            root.get(CONFIRMATIONS, {"q": "player@example.com"})
        assert not [query["sql"] for query in queries if '"email" LIKE' in query["sql"]]

    @pytest.mark.parametrize(
        ("name", "email"), [("username", "username"), ("username", "no such column"), ("id", "id")]
    )
    def test_search_asks_for_columns_that_the_user_model_has(self, monkeypatch, root, name, email):
        """User models without an address, or with numbers for names, can be searched as well."""
        waiting("player")
        model = get_user_model()
        monkeypatch.setattr(model, "USERNAME_FIELD", name)
        monkeypatch.setattr(model, "get_email_field_name", lambda: email)
        assert addresses_in(root.get(CONFIRMATIONS, {"q": "unknown@example.com"})) == []

    def test_a_long_list_ends(self, root, monkeypatch):
        """A list that ends before its last row says so, and counts no more than it lists."""
        monkeypatch.setattr(long_lists, "LISTED", 2)
        for number in range(3):
            waiting(f"player{number}", requested_at=NOON + timedelta(hours=number))
        response = root.get(CONFIRMATIONS)
        assert response.context["cl"].result_count == 2
        assert "Only the first 2 rows are listed." in response.content.decode()
        assert "rows are listed" not in root.get(CONFIRMATIONS, {"q": "player0"}).content.decode()

    @pytest.mark.parametrize(
        ("page", "query"),
        [
            (CONFIRMATIONS, {"client": "-"}),
            (CONFIRMATIONS, {"last_delivery_state__exact": "sent"}),
            (CONFIRMATIONS, {"last_sent_at__isnull": "False"}),
            (CONFIRMATIONS, {"disowned_at__isnull": "False"}),
            (DELIVERIES, {"client": "-"}),
            (DELIVERIES, {"reason__exact": "refused"}),
            (DELIVERIES, {"dialect": FIRST}),
            (DELIVERIES, {"sent_at__isnull": "False"}),
        ],
    )
    def test_a_filter_without_an_index_reads_the_newest_rows(self, root, monkeypatch, page, query):
        """A filter on a column without an index leaves old rows out, and says so."""
        found = {"last_delivery_state": "sent", "last_sent_at": NOON, "disowned_at": NOON}
        rows = [waiting(f"player{number}", client="", **found) for number in range(3)]
        if page == DELIVERIES:
            found = {"reason": "refused", "dialect": FIRST, "sent_at": NOON}
            rows = [delivery(row, **found) for row in rows]
        text = "Only the newest 2 rows are searched by this filter."
        assert listed(root.get(page, query)) == rows[::-1]
        monkeypatch.setattr(long_lists, "RECENT", 2)
        response = root.get(page, query)
        assert listed(response) == rows[:0:-1]
        assert text in response.content.decode()
        assert text not in root.get(page).content.decode()

    @pytest.mark.parametrize(
        ("number", "expected"),
        [("1", ["p2", "p1"]), ("2", ["p0", "c1"]), ("3", ["c0", "w1"]), ("4", ["w0"])],
    )
    def test_pages_are_filled_across_states(self, root, monkeypatch, number, expected):
        """Each page continues where the one before ended, with the rest of a state and the next."""
        monkeypatch.setattr(confirmations.ConfirmationAdmin, "list_per_page", 2)
        states = ["withdrawn", "pending", "confirmed", "pending", "withdrawn", "confirmed"]
        for hour, state in enumerate([*states, "pending"]):
            place = [*states, "pending"][:hour].count(state)
            waiting(f"{state[0]}{place}", state=state, requested_at=NOON + timedelta(hours=hour))
        found = addresses_in(root.get(CONFIRMATIONS, {"p": number}))
        assert found == [f"{name}@example.com" for name in expected]


class TestPage:
    def test_rows_cannot_be_added_or_edited(self, root):
        """Confirmations are read-only, even for a superuser."""
        confirmation = waiting("player")
        page = f"{CONFIRMATIONS}{confirmation.pk}/change/"
        assert root.get(f"{CONFIRMATIONS}add/").status_code == 403
        assert root.post(page, {"state": "confirmed"}).status_code == 403
        html = root.get(page).content.decode()
        assert "player@example.com" in html
        assert 'name="state"' not in html
        assert 'name="_save"' not in html

    def test_it_shows_the_newest_deliveries_newest_first(self, root, monkeypatch):
        """The page lists the 50 newest deliveries of the confirmation, newest first."""
        confirmation = waiting("player")
        for minute in range(51):
            delivery(
                confirmation,
                asked_at=NOON + timedelta(minutes=minute),
                message_id=f"<{minute:02}@site.example>",
            )
        delivery(waiting("other"), message_id="<of another@site.example>")
        html = root.get(f"{CONFIRMATIONS}{confirmation.pk}/change/").content.decode()
        shown = re.findall(r"&lt;(\d\d)@site.example&gt;", html)
        assert shown == [f"{minute:02}" for minute in range(50, 0, -1)]
        assert "of another" not in html

    def test_history_shows_the_state_of_each_delivery(self, root):
        """Deliveries have state, reason, attempts, dialect, client, error and provider's id."""
        confirmation = waiting("player")
        delivery(
            confirmation,
            state="failed",
            reason="refused",
            attempts=6,
            dialect="a dialect",
            client="a client",
            error_class="SMTPRecipientsRefused",
            error_code="550",
            provider_id="provider-77",
        )
        html = root.get(f"{CONFIRMATIONS}{confirmation.pk}/change/").content.decode()
        cells = re.findall(r'<td class="field-(\w+)">\s*<p>(.*?)</p>', html, re.DOTALL)
        assert dict(cells) == {
            "asked_at": "Jan. 1, 2026, 6 a.m. CST",
            "state": (
                '<span class="resend-badge bad">failed</span> '
                "the mail server refused the recipient (SMTPRecipientsRefused 550)"
            ),
            "attempts": "6",
            "dialect": "a dialect",
            "client": "a client",
            "sent_at": "-",
            "ended_at": "-",
            "message_id": "-",
            "provider_id": "provider-77",
        }

    def test_history_needs_the_permission_to_view_deliveries(self):
        """Deliveries are only shown with the permission to view them."""
        confirmation = waiting("player")
        delivery(confirmation, message_id="<1@site.example>")
        page = f"{CONFIRMATIONS}{confirmation.pk}/change/"
        without = staff("view_confirmation").get(page).content.decode()
        with_it = staff("view_confirmation", "view_delivery").get(page).content.decode()
        assert "&lt;1@site.example&gt;" not in without
        assert "&lt;1@site.example&gt;" in with_it


class TestSecrets:
    def test_no_page_shows_a_secret(self, root):
        """No page shows digests, selectors, payloads, client states or the input of requests."""
        confirmation = waiting("player", selector="5ec2e7" * 5)
        sent = delivery(
            confirmation,
            token_digest="d19e57" * 10,
            payload="the payload",
            client_state="the state of the client",
            lease_owner="the owner",
            generation=987654,
        )
        ask = delivery(state="asked", identity="typed@example.net", payload="the payload")
        suppression = Suppression.objects.create(digest="ad0be5" * 10, why="bounced", since=NOON)
        press(root, "resend", confirmation)
        pages = [
            CONFIRMATIONS,
            DELIVERIES,
            SUPPRESSIONS,
            "/admin/",
            f"{DELIVERIES}?q=typed",
            *(
                f"{page}{row.pk}/{view}/"
                for page, row in [
                    (CONFIRMATIONS, confirmation),
                    (DELIVERIES, sent),
                    (DELIVERIES, ask),
                    (SUPPRESSIONS, suppression),
                ]
                for view in ("change", "history")
            ),
            f"{SUPPRESSIONS}{suppression.pk}/delete/",
            f"/admin/auth/user/{confirmation.account_id}/delete/",
        ]
        fingerprint = Confirmation.objects.get().fingerprint
        cooldown = Cooldown.objects.get().digest
        for page in pages:
            response = root.get(page)
            assert response.status_code == 200, page
            html = response.content.decode()
            for secret in [
                "5ec2e7",
                "d19e57" * 2,
                "the payload",
                "the state of the client",
                "the owner",
                "987654",
                "typed@example.net",
                "ad0be5" * 2,
                fingerprint,
                cooldown,
            ]:
                assert secret not in html, (page, secret)

    def test_cooldowns_are_not_in_the_admin(self):
        """Cooldowns, which only contain digests, are not in the admin."""
        assert not admin.site.is_registered(Cooldown)

    def test_log_entry_has_the_row_and_the_action_alone(self, root):
        """A log entry has the row's usual name and the action, and nothing else."""
        confirmation = waiting("player")
        press(root, "resend", confirmation)
        entry = LogEntry.objects.get()
        assert entry.object_repr == "player@example.com (pending)"
        assert entry.change_message == "Queued again."
        assert (entry.object_id, entry.action_flag) == (str(confirmation.pk), CHANGE)
        assert entry.user.username == "root"


ACTIONS = ["resend", "withdraw", "confirm"]


class TestPermissions:
    @pytest.mark.parametrize("action", ACTIONS)
    def test_an_action_takes_its_own_permission(self, action):
        """An action requires its permission; the others, including Django's, are not enough."""
        confirmation = waiting("player")
        others = [f"{other}_confirmation" for other in ACTIONS if other != action]
        browser = staff("view_confirmation", "add_confirmation", "change_confirmation", *others)
        html = browser.get(CONFIRMATIONS).content.decode()
        assert f'<option value="{action}">' not in html
        press(browser, action, confirmation)
        confirmation.refresh_from_db()
        assert confirmation.state == "pending"
        assert not Delivery.objects.exists()
        assert not LogEntry.objects.exists()

    @pytest.mark.parametrize("action", ACTIONS)
    def test_with_its_permission_an_action_is_done(self, action):
        """The permission to view and that of the action are enough."""
        confirmation = waiting("player")
        browser = staff("view_confirmation", f"{action}_confirmation")
        html = browser.get(CONFIRMATIONS).content.decode()
        assert f'<option value="{action}">' in html
        press(browser, action, confirmation)
        confirmation.refresh_from_db()
        done = (confirmation.state, Delivery.objects.count())
        assert (
            done
            == {
                "resend": ("pending", 1),
                "withdraw": ("withdrawn", 0),
                "confirm": ("confirmed", 0),
            }[action]
        )
        assert LogEntry.objects.get().object_id == str(confirmation.pk)

    @pytest.mark.parametrize("action", ACTIONS)
    def test_an_action_takes_the_permission_to_view(self, action):
        """Without the permission to view, an action is not possible."""
        confirmation = waiting("player")
        browser = staff(f"{action}_confirmation")
        assert browser.get(CONFIRMATIONS).status_code == 403
        press(browser, action, confirmation)
        confirmation.refresh_from_db()
        assert (confirmation.state, Delivery.objects.count()) == ("pending", 0)

    @pytest.mark.parametrize("page", [CONFIRMATIONS, DELIVERIES, SUPPRESSIONS])
    def test_staff_without_permissions_see_nothing(self, page):
        """Each list requires a permission to view it."""
        assert staff().get(page).status_code == 403

    @pytest.mark.parametrize("rows", [CONFIRMATIONS, DELIVERIES])
    def test_nothing_is_deleted_alone(self, root, rows):
        """Rows cannot be deleted: that might confirm or unblock an account, or break a link."""
        confirmation = waiting("player")
        row = {CONFIRMATIONS: confirmation, DELIVERIES: delivery(confirmation)}[rows]
        page = f"{rows}{row.pk}/"
        assert f"{page}delete/" not in root.get(f"{page}change/").content.decode()
        assert root.get(f"{page}delete/").status_code == 403
        assert root.post(f"{page}delete/", {"post": "yes"}).status_code == 403
        chosen = {"action": "delete_selected", "_selected_action": [row.pk], "post": "yes"}
        assert "delete_selected" not in root.get(rows).content.decode()
        root.post(rows, chosen)
        assert (Confirmation.objects.count(), Delivery.objects.count()) == (1, 1)

    def test_deleting_an_account_takes_djangos_permissions(self):
        """Deleting a user also requires the permissions to delete confirmations and deliveries."""
        confirmation = waiting("player")
        delivery(confirmation)
        page = f"/admin/auth/user/{confirmation.account_id}/delete/"
        few = ("view_user", "delete_user", "delete_confirmation")
        assert staff(*few).post(page, {"post": "yes"}).status_code == 403
        assert Confirmation.objects.exists()
        staff(*few, "delete_delivery").post(page, {"post": "yes"})
        assert not Confirmation.objects.exists()
        assert not Delivery.objects.exists()
        assert LogEntry.objects.get().action_flag == DELETION

    @pytest.mark.parametrize("action", ACTIONS)
    def test_the_page_has_a_button_for_each_permitted_action(self, action):
        """A confirmation's page has a button for each action that is permitted."""
        confirmation = waiting("player")
        browser = staff("view_confirmation", f"{action}_confirmation")
        html = browser.get(f"{CONFIRMATIONS}{confirmation.pk}/change/").content.decode()
        assert re.findall(r'name="action" value="(\w+)"', html) == [action]

    def test_page_of_a_confirmed_account_has_no_button(self, root):
        """The page of a confirmation that its recipient confirmed has no buttons."""
        confirmation = waiting("player", state="confirmed")
        html = root.get(f"{CONFIRMATIONS}{confirmation.pk}/change/").content.decode()
        assert 'name="action"' not in html


class TestActions:
    def test_resend_counts_each_result(self, root):
        """The message counts each result; only what was queued is logged."""
        ready = waiting("ready")
        cooling = waiting("cooling")
        press(root, "resend", cooling)
        done = waiting("done", state="confirmed")
        deactivated = waiting("deactivated")
        get_user_model().objects.filter(pk=deactivated.account_id).update(is_active=False)
        LogEntry.objects.all().delete()
        response = press(root, "resend", ready, cooling, done, deactivated)
        assert said(response)[-1] == "Queued: 1. Cooling down: 1. Not pending: 2."
        assert LogEntry.objects.get().object_id == str(ready.pk)
        assert Delivery.objects.filter(confirmation=ready, state="queued").count() == 1

    def test_an_account_without_an_address_is_not_suppressed(self):
        """An account that lost its address during the action does not count as suppressed."""
        confirmation = waiting("player")
        get_user_model().objects.update(email="")
        assert actions.suppressed_since(confirmation) == []

    def test_a_message_that_staff_sent_again_arrives(self, root):
        """A message that staff resend is sent to the account's address."""
        press(root, "resend", waiting("player"))
        engine.drain()
        assert [message.to for message in mail.outbox] == [["player@example.com"]]

    def test_resend_goes_the_way_of_the_newest_delivery(self, root):
        """Client, dialect and redirect are those of the newest delivery."""
        confirmation = waiting("player", client="game")
        delivery(confirmation, client="game", dialect=FIRST)
        delivery(
            confirmation,
            client="arcade",
            dialect=SECOND,
            redirect="1",
            asked_at=NOON + timedelta(hours=1),
        )
        press(root, "resend", confirmation)
        queued = Delivery.objects.get(state="queued")
        assert (queued.client, queued.dialect, queued.redirect) == ("arcade", SECOND, "1")

    def test_the_first_resend_goes_in_the_name_of_the_confirmations_client(self, root):
        """If there is no delivery yet, the confirmation's client is used."""
        press(root, "resend", waiting("player", client="arcade"))
        assert Delivery.objects.get().client == "arcade"

    def test_withdraw_kills_the_link_and_spares_confirmed_accounts(self, root):
        """A withdrawal invalidates the link; a confirmed account stays confirmed."""
        confirmation, done = waiting("player"), waiting("done", state="confirmed")
        press(root, "resend", confirmation)
        engine.drain()
        (token,) = re.findall(r"token=([\w-]+)", str(mail.outbox[0].body))
        assert engine.inspect(token).verdict.value == "ready"
        response = press(root, "withdraw", confirmation, done)
        assert said(response)[-1] == "Withdrawn: 1. Not pending: 1."
        assert engine.inspect(token).verdict.value == "dead"
        done.refresh_from_db()
        assert done.state == "confirmed"

    def test_confirm_by_hand_is_a_confirmation_like_any_other(self, root):
        """A confirmation by staff sends the signal and stores the time."""
        confirmation, gone = waiting("player"), waiting("gone", state="withdrawn")
        heard = []
        receiver = lambda **values: heard.append(values["user"].username)  # noqa: E731
        confirmed_signal.connect(receiver)
        try:
            response = press(root, "confirm", confirmation, gone)
        finally:
            confirmed_signal.disconnect(receiver)
        assert said(response)[-1] == "Confirmed: 1. Not pending: 1."
        assert heard == ["player"]
        confirmation.refresh_from_db()
        assert confirmation.confirmed_at is not None
        assert LogEntry.objects.get().change_message == "Confirmed by hand."

    def test_action_without_a_log_entry_is_rolled_back(self, root, monkeypatch):
        """The action and its log entry are one transaction."""

        def fail(*args, **kwargs):
            raise RuntimeError("no log")

        monkeypatch.setattr(admin.ModelAdmin, "log_change", fail)
        confirmation = waiting("player")
        with pytest.raises(RuntimeError, match="no log"):
            press(root, "withdraw", confirmation)
        confirmation.refresh_from_db()
        assert confirmation.state == "pending"

    def test_a_selection_over_all_pages_has_the_listed_rows(self, root, monkeypatch):
        """An action on all rows leaves out those that a long list leaves out."""
        monkeypatch.setattr(long_lists, "LISTED", 2)
        rows = [waiting(f"p{hour}", requested_at=NOON + timedelta(hours=hour)) for hour in range(3)]
        press(root, "withdraw", rows[0], select_across="1")
        states = Confirmation.objects.order_by("pk").values_list("state", flat=True)
        assert list(states) == ["pending", "withdrawn", "withdrawn"]

    def test_a_button_leads_back_to_its_page(self, root):
        """A button on a confirmation's page runs the list's action and returns to that page."""
        confirmation = waiting("player")
        page = f"{CONFIRMATIONS}{confirmation.pk}/change/"
        html = root.get(page).content.decode()
        targets = re.findall(r'<form method="post" action="([^"]+)">', html)
        assert targets == [CONFIRMATIONS] * 3
        response = press(root, "withdraw", confirmation, from_page="1")
        assert (response.status_code, response["Location"]) == (302, page)
        confirmation.refresh_from_db()
        assert confirmation.state == "withdrawn"


class TestSuppressed:
    def test_suppressed_addresses_are_reported(self, root):
        """Nothing is queued for suppressed addresses; the message has their number and date."""
        digest = address_of("ann@example.com").digest("suppression")
        Suppression.objects.create(digest=digest, why="bounced", since=NOON)
        rows = [waiting("ann"), waiting("ben")]
        response = press(root, "resend", *rows)
        assert said(response) == [
            "Queued: 1. Cooling down: 0. Not pending: 0.",
            "Suppressed: 1 (the first since Jan. 1, 2026, 6 a.m.).",
        ]
        assert [row.confirmation for row in Delivery.objects.all()] == [rows[1]]
        assert LogEntry.objects.count() == 1


class TestDeliveries:
    def test_ignored_requests_are_listed_with_the_reason(self, root):
        """The list shows the reason of an ignored request."""
        delivery(state="ignored", reason="unknown", dialect="a dialect")
        html = root.get(DELIVERIES).content.decode()
        assert "no matching account" in html.split("<tbody>")[1]

    def test_the_list_is_newest_first_and_to_look_at_only(self, root):
        """Deliveries are sorted by the newest request, and read-only."""
        old = delivery()
        new = delivery(asked_at=NOON + timedelta(hours=1))
        assert listed(root.get(DELIVERIES)) == [new, old]
        assert root.get(f"{DELIVERIES}add/").status_code == 403
        assert root.post(f"{DELIVERIES}{old.pk}/change/", {}).status_code == 403

    @pytest.mark.parametrize(
        "query",
        [
            "<4b1d@site.example>",
            "4b1d@site.example",
            "provider-77",
            "wanted@example.com",
            "ｗanted@example.com",
        ],
    )
    def test_search(self, root, query):
        """Deliveries are found by Message-ID, provider's id and address in any spelling."""
        found = delivery(
            waiting("wanted"), message_id="<4b1d@site.example>", provider_id="provider-77"
        )
        delivery(waiting("other"), message_id="<ffff@site.example>", provider_id="provider-78")
        delivery(state="ignored", reason="unknown")
        assert listed(root.get(DELIVERIES, {"q": query})) == [found]

    @pytest.mark.parametrize(
        "query",
        [
            {"state__exact": "failed"},
            {"reason__exact": "refused"},
            {"dialect": SECOND},
            {"client": "arcade"},
            {"asked_at__gte": "2026-01-02 00:00:00+00:00"},
        ],
    )
    def test_filters(self, root, query):
        """The list can be filtered by state, reason, dialect, client and date."""
        found = delivery(
            state="failed",
            reason="refused",
            dialect=SECOND,
            client="arcade",
            asked_at=NOON + timedelta(days=2),
        )
        delivery(dialect=FIRST, client="game")
        assert listed(root.get(DELIVERIES, query)) == [found]

    @pytest.mark.parametrize("path", [CONFIRMATIONS, DELIVERIES, SUPPRESSIONS])
    def test_each_choice_of_a_filter_has_a_text(self, root, path):
        """No link of a filter is without text, which a screen reader could not read out."""
        _, mark, filters = root.get(path).content.decode().partition('id="changelist-filter"')
        links = re.findall(r"<a [^>]*>(.*?)</a>", filters, re.DOTALL)
        assert mark
        assert len(links) > 2
        assert "" not in {link.strip() for link in links}


class TestSuppressions:
    def suppress(self, browser, address, **more):
        return browser.post(f"{SUPPRESSIONS}add/", {"address": address, **more})

    def test_by_hand_keeps_only_the_digest_and_stops_the_courier(self, root):
        """A suppression by staff stores only a digest, logs no address, and prevents messages."""
        confirmation = waiting("player")
        self.suppress(root, "Player@Example.com", detail="asked us by phone")
        row = Suppression.objects.get()
        assert (row.why, row.detail) == ("by_hand", "asked us by phone")
        assert re.fullmatch("[0-9a-f]{64}", row.digest)
        assert abs(row.since - timezone.now()) < timedelta(minutes=1)
        entry = LogEntry.objects.get()
        assert entry.action_flag == ADDITION
        assert "player" not in f"{entry.object_repr} {entry.change_message}".lower()
        engine.start(confirmation.account)
        engine.drain()
        assert mail.outbox == []
        assert Delivery.objects.get().state == "suppressed"

    def test_lifting_lets_mail_go_out_again_and_is_logged(self, root):
        """Deleting the row lifts the suppression, and is logged."""
        self.suppress(root, "player@example.com")
        LogEntry.objects.all().delete()
        row = Suppression.objects.get()
        root.post(f"{SUPPRESSIONS}{row.pk}/delete/", {"post": "yes"})
        assert LogEntry.objects.get().action_flag == DELETION
        press(root, "resend", waiting("player"))
        engine.drain()
        assert len(mail.outbox) == 1

    def test_lifting_takes_the_permission_to_delete(self):
        """Lifting a suppression requires the permission to delete."""
        row = Suppression.objects.create(digest="0" * 64, why="bounced", since=NOON)
        page = f"{SUPPRESSIONS}{row.pk}/delete/"
        browser = staff("view_suppression", "add_suppression")
        assert browser.post(page, {"post": "yes"}).status_code == 403
        assert Suppression.objects.exists()
        staff("view_suppression", "delete_suppression").post(page, {"post": "yes"})
        assert not Suppression.objects.exists()

    def test_adding_takes_the_permission_to_add(self):
        """Adding a suppression requires the permission to add."""
        browser = staff("view_suppression", "delete_suppression")
        assert self.suppress(browser, "player@example.com").status_code == 403
        assert not Suppression.objects.exists()

    def test_a_row_cannot_be_changed(self, root):
        """Suppressions cannot be edited, only added and deleted."""
        row = Suppression.objects.create(digest="0" * 64, why="bounced", since=NOON)
        page = f"{SUPPRESSIONS}{row.pk}/change/"
        assert root.get(page).status_code == 200
        assert root.post(page, {"address": "a@example.com"}).status_code == 403

    @pytest.mark.parametrize(
        ("typed", "complaint"),
        [
            ("player", "This is not an e-mail address."),
            ("a@example.com,b@example.com", "This is not an e-mail address."),
            ("KNOWN@example.com", "This address is already suppressed."),
        ],
    )
    def test_invalid_form_is_explained(self, root, typed, complaint):
        """The form explains an invalid address, and one that is already suppressed."""
        self.suppress(root, "known@example.com")
        assert complaint in self.suppress(root, typed).content.decode()
        assert Suppression.objects.count() == 1

    @pytest.mark.parametrize(
        ("typed", "found"),
        [
            ("player@example.com", 1),
            ("PLAYER@Example.com", 1),
            ("player", 0),
            ("players@example.com", 0),
            ("", 2),
        ],
    )
    def test_search_is_by_the_whole_address(self, root, typed, found):
        """Suppressions are only found by the whole address, since only digests are stored."""
        self.suppress(root, "player@example.com")
        self.suppress(root, "other@example.com")
        assert len(listed(root.get(SUPPRESSIONS, {"q": typed}))) == found

    def test_search_finds_rows_from_before_a_change_of_key(self, root, settings):
        """Suppressions stored under an earlier key are found with SECRET_KEY_FALLBACKS."""
        self.suppress(root, "player@example.com")
        user = get_user_model().objects.get(username="root")
        settings.SECRET_KEY_FALLBACKS = [settings.SECRET_KEY]
        settings.SECRET_KEY = "the next key, as long as the one before it, known to all"
        root.force_login(user)
        assert len(listed(root.get(SUPPRESSIONS, {"q": "player@example.com"}))) == 1
        again = self.suppress(root, "player@example.com").content.decode()
        assert "This address is already suppressed." in again


class TestPaused:
    """The warning on the lists while sending is paused."""

    @pytest.fixture
    def paused(self, clock):
        """Pause sending, as after a login that the mail server refused."""
        delivery(
            waiting("ann"),
            state="queued",
            reason="configuration",
            error_class="SMTPAuthenticationError",
            error_code="535",
            not_before=clock.now + timedelta(minutes=1),
        )

    @pytest.mark.parametrize("path", [CONFIRMATIONS, DELIVERIES])
    def test_lists_say_why_sending_is_paused(self, clock, root, paused, path):
        """Both lists show once why sending is paused, and until when."""
        text = (
            "Sending is paused until Jan. 1, 2030, 6:01 a.m.: the e-mail settings do not work "
            "(SMTPAuthenticationError 535)."
        )
        page = root.get(path).content.decode()
        assert page.count(text) == 1
        clock.move(minutes=1)
        assert "Sending is paused" not in root.get(path).content.decode()

    @pytest.mark.parametrize("path", [CONFIRMATIONS, DELIVERIES])
    def test_a_budget(self, clock, root, pending, path, change):
        """The lists warn if the hourly budget is used up."""
        change(HOURLY_BUDGET=1)
        engine.start(pending)
        assert "Sending is paused" not in root.get(path).content.decode()
        send_due()
        page = root.get(path).content.decode()
        text = "Sending is paused until Jan. 1, 2030, 7 a.m.: the hourly budget is used up."
        assert text in page

    @pytest.mark.parametrize("path", [CONFIRMATIONS, DELIVERIES])
    def test_a_share_of_the_budget(self, clock, root, pending, path, change):
        """The lists warn if only the share reserved for first messages is left."""
        change(HOURLY_BUDGET=3)
        engine.start(pending)
        send_due()
        page = root.get(path).content.decode()
        assert "Sending is paused" not in page
        assert "Resends are paused until Jan. 1, 2030, 7 a.m.: the rest of the hourly" in page

    @pytest.mark.parametrize("path", [CONFIRMATIONS, DELIVERIES])
    def test_no_warning_without_a_pause(self, root, path):
        """The lists have no warning if sending is not paused."""
        assert "messagelist" not in root.get(path).content.decode()

    def test_action_shows_the_warning_once(self, clock, root, paused):
        """The list shown after an action has the warning once."""
        row = waiting("ben")
        answer = {"post": "yes", "newest": row.pk}
        data = {"action": "withdraw", "_selected_action": [row.pk], **answer}
        page = root.post(CONFIRMATIONS, data, follow=True).content.decode()
        assert page.count("Sending is paused") == 1
        assert "Withdrawn: 1." in page


#: The models in the admin and the URLs of their lists.
LISTS = {
    Confirmation: CONFIRMATIONS,
    Delivery: DELIVERIES,
    RequestRecord: REQUESTS,
    Suppression: SUPPRESSIONS,
}
#: The fields that each list's query string may filter by: the key and its filters.
KEYS = {"pk", "id", "pk__in", "id__in"}
OFFERED = {
    Confirmation: KEYS
    | {"client", "state__exact", "state__isnull", "last_delivery_state__exact"}
    | {"last_delivery_state__isnull", "requested_at__gte", "requested_at__lt"}
    | {"last_sent_at__gte", "last_sent_at__lt", "last_sent_at__isnull"}
    | {"disowned_at__gte", "disowned_at__lt", "disowned_at__isnull"},
    Delivery: KEYS
    | {"client", "dialect", "state__exact", "state__isnull", "reason__exact", "reason__isnull"}
    | {"asked_at__gte", "asked_at__lt", "sent_at__gte", "sent_at__lt", "sent_at__isnull"},
    RequestRecord: KEYS
    | {"client", "dialect", "reason__exact", "reason__isnull", "asked_at__gte", "asked_at__lt"},
    Suppression: KEYS | {"why__exact", "why__isnull", "since__gte", "since__lt"},
}
LOOKUPS = ["", "__exact", "__iexact", "__in", "__startswith", "__contains", "__regex", "__gt"]
LOOKUPS += ["__gte", "__lt", "__range", "__isnull", "__year", "__length__gt"]


class TestLookUps:
    """Query strings can only filter and sort by columns that the pages offer."""

    @pytest.mark.parametrize("model", LISTS, ids=lambda model: model.__name__)
    def test_of_every_column(self, model, rf):
        """Only the listed look-ups are allowed, for all columns including related ones."""
        site = admin.site._registry[model]
        names = [f.name for f in model._meta.get_fields()]
        names += [f"confirmation__{f.name}" for f in Confirmation._meta.get_fields()]
        names += ["account__password", "account__email", "cooldown__digest"]
        asked = {f"{name}{lookup}" for name in names for lookup in LOOKUPS} | OFFERED[model]
        request = rf.get("/")
        assert {one for one in asked if site.lookup_allowed(one, "a", request)} == OFFERED[model]

    @pytest.mark.parametrize(
        "path",
        [
            f"{DELIVERIES}?identity__startswith=ann",
            f"{DELIVERIES}?payload__contains=ann",
            f"{DELIVERIES}?confirmation__selector__startswith=a",
            f"{CONFIRMATIONS}?selector__startswith=a",
            f"{CONFIRMATIONS}?account__password__startswith=a",
            f"{SUPPRESSIONS}?digest__startswith=a",
            "/admin/auth/user/?resend_confirmations__selector__startswith=a",
            "/admin/auth/user/?resend_confirmations__deliveries__identity__startswith=a",
            f"{CONFIRMATIONS}?_popup=1&_to_field=selector",
        ],
    )
    def test_by_a_viewer(self, path):
        """A refused look-up gets a 400, which does not reveal whether rows match."""
        models = ("confirmation", "delivery", "suppression", "user")
        viewer = staff(*(f"view_{model}" for model in models))
        waiting("ann")
        delivery(state="asked", identity="ann@example.com", payload="ann")
        assert viewer.get(path).status_code == 400

    @pytest.mark.parametrize("model", LISTS, ids=lambda model: model.__name__)
    def test_order(self, model, rf, root):
        """A long list cannot be sorted, a short one only by columns that it shows."""
        site = admin.site._registry[model]
        request = root.get(LISTS[model]).wsgi_request
        shown = site.get_list_display(request) if model is Suppression else ()
        assert site.get_sortable_by(request) == shown
