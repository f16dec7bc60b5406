"""One call for each dialect, with the values that the front page's form and curl begin with."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from urllib.parse import quote, urlencode

from .data import UNKNOWN


class Place(StrEnum):
    """The part of a request that has a field."""

    PATH = "path"
    QUERY = "query"
    BODY = "body"


@dataclass(frozen=True, slots=True)
class Field:
    """One field of a call; it is left out of the request if it is empty."""

    name: str
    value: str = ""
    place: Place = Place.QUERY
    #: The id of a list of values to choose from.
    choices: str = ""


@dataclass(frozen=True, slots=True)
class Call:
    """A vendor's request. The last field is the identity."""

    dialect: str
    #: The vendor's page.
    page: str
    path: str
    fields: Sequence[Field]
    #: More sets of values to fill in, by name. ``{site}`` is the address of this site.
    more: Mapping[str, Mapping[str, str]]

    @property
    def sets(self) -> Mapping[str, Mapping[str, str]]:
        """The sets of values to fill in, by name."""
        usual = {field.name: field.value for field in self.fields}
        identity = self.fields[-1].name
        others = {
            "waits": usual[identity],
            "confirmed": "confirmed@example.com",
            "blocked": "blocked@example.com",
            "unknown": UNKNOWN,
        }
        return {
            **{name: {**usual, identity: value} for name, value in others.items()},
            **{name: {**usual, **values} for name, values in self.more.items()},
        }

    def curl(self, base: str) -> str:
        """Return the request as a shell command."""
        parts = {name: quote(value, safe="") for name, value in self.values(Place.PATH).items()}
        target = self.path.format(**parts)
        if query := self.values(Place.QUERY):
            target += f"?{urlencode(query)}"
        line = f"curl -i -X POST {_quoted(f'{base}/{target}')}"
        if body := self.values(Place.BODY):
            # As JSON.stringify() writes it.
            text = json.dumps(body, ensure_ascii=False, separators=(",", ":"))
            line += f" -H 'Content-Type: application/json' -d {_quoted(text)}"
        return line

    def values(self, place: Place) -> dict[str, str]:
        """Return the values of the fields in one part of the request."""
        return {f.name: f.value for f in self.fields if f.place is place and f.value}


def _quoted(text: str) -> str:
    """Quote ``text`` for a shell, in the same way as the script does."""
    return "'" + text.replace("'", r"'\''") + "'"


#: Each is for a separate account, so that no request meets another one's cooldown.
CALLS = [
    Call(
        dialect="xsolla-oauth2",
        page="https://developers.xsolla.com/api/login/operation/oauth-20-resend-account-confirmation-email/",
        path="api/oauth2/user/resend_confirmation_link",
        fields=[
            Field("client_id", "57"),
            Field("redirect_uri", choices="redirects"),
            Field("state", "state-of-the-game"),
            Field("locale"),
            Field("username", "pending@example.com", Place.BODY),
        ],
        more={
            "german": {
                "client_id": "58",
                "redirect_uri": "{site}/landing/arcade/?keep=1",
                "username": "lena@example.com",
            },
        },
    ),
    Call(
        dialect="xsolla-jwt",
        page="https://developers.xsolla.com/api/login/operation/jwt-resend-account-confirmation-email/",
        path="api/user/resend_confirmation_link",
        fields=[
            Field("projectId", "40db2ea4-5d42-11e6-a3ff-005056a0e04a"),
            Field("login_url", choices="redirects"),
            Field("payload"),
            Field("locale"),
            Field("username", "pending_upper", Place.BODY),
        ],
        more={
            "french": {
                "projectId": "5b0e9c1e-77a1-4f5c-9d6a-0d1f5a3b2c58",
                "login_url": "{site}/landing/arcade/?keep=1",
                "payload": "level 7",
                "username": "chloe@example.com",
            },
        },
    ),
    Call(
        dialect="quiva",
        page="https://microstrate-1133-notifications-prefs.mintlify.site/llms.txt",
        path="accounts/resend-confirmation",
        fields=[Field("email", "pending000001@example.com", Place.BODY)],
        more={"spanish": {"email": "pablo@example.com"}},
    ),
    Call(
        dialect="backendless",
        page="https://backendless.com/docs/rest/",
        path="api/users/resendconfirmation/{identity}",
        fields=[Field("identity", "7001", Place.PATH)],
        more={"portuguese": {"identity": "joao@example.com"}},
    ),
    Call(
        dialect="strapi",
        page="https://docs-v3.strapi.io/developer-docs/latest/development/plugins/users-permissions.html",
        path="auth/send-email-confirmation",
        fields=[Field("email", "plus+tag@example.com", Place.BODY)],
        more={"letters": {"email": "grüße@bücher.example"}},
    ),
    Call(
        dialect="strapi-v4",
        page="https://docs.strapi.io/cms/features/users-permissions",
        path="api/auth/send-email-confirmation",
        fields=[Field("email", "pending000002@example.com", Place.BODY)],
        more={},
    ),
]
#: The number of accounts in bulk that the calls above need.
BULK_NEEDED = 2
