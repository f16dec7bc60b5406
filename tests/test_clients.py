"""Clients: how entries of CLIENTS are read, and how requests find theirs."""

from datetime import timedelta
from uuid import UUID

import pytest
from django.core.exceptions import ImproperlyConfigured

from resend_confirmation import clients
from resend_confirmation.clients import Client, Redirect, Signing
from resend_confirmation.outcomes import Refusal

URL = "https://game.example/callback"


def settings_with(entries):
    return {"BASE_URL": "https://site.example", "CLIENTS": entries, "CARRIER": "none"}


def default_name():
    client = clients.default()
    return client and client.name


@pytest.fixture
def use(settings):
    """Put a list of clients, or a way to one, into the settings."""

    def put(entries):
        settings.RESEND_CONFIRMATION = settings_with(entries)

    return put


FULL = {
    "name": "arcade",
    "default": True,
    "required": False,
    "ids": {"acme": 58, "acme-2": "b"},
    "keys": {"acme": ["k1", "k2"]},
    "hosts": ["Arcade.Example"],
    "redirects": [URL, "app://callback"],
    "pages": {"confirmed": "https://game.example/thanks"},
    "signing": {
        "key": "secret",
        "algorithm": "RS256",
        "key_id": "7",
        "issuer": "https://site.example",
        "lifetime": 600,
    },
}


def test_everything_that_can_be_said(use):
    """Each key of an entry is read; ids become strings and hosts lower case."""
    use([FULL])
    assert clients.default() == Client(
        name="arcade",
        default=True,
        required=False,
        ids={"acme": "58", "acme-2": "b"},
        keys={"acme": ["k1", "k2"]},
        hosts=["arcade.example"],
        redirects=[Redirect("0", URL), Redirect("1", "app://callback")],
        pages={"confirmed": "https://game.example/thanks"},
        signing=Signing("secret", "RS256", "7", "https://site.example", timedelta(seconds=600)),
    )


def test_smallest(use):
    """A name is enough: confirmations are on, nothing is registered."""
    use([{"name": "default"}])
    client = clients.default()
    assert client is not None
    assert (client.name, client.required, client.signing) == ("default", True, None)
    assert [*client.ids, *client.keys, *client.hosts, *client.redirects, *client.pages] == []


def test_redirects_with_ids(use):
    """Redirects may be a dict, so that an id outlives a change of order."""
    use([{"name": "a", "redirects": {"web": URL, 7: "app://callback"}}])
    client = clients.by_name("a")
    assert client is not None
    assert client.redirects == [Redirect("web", URL), Redirect("7", "app://callback")]


def test_signing_by_secret(use):
    """A key alone signs with HS256."""
    use([{"name": "a", "signing": {"key": "secret"}}])
    client = clients.by_name("a")
    assert client is not None
    assert client.signing == Signing("secret", "HS256", None, None, timedelta(days=1))


def test_secrets_are_not_shown():
    """A client's repr, which lands in logs and error pages, holds neither key nor secret."""
    client = Client(name="a", keys={"acme": ["key-1"]}, signing=Signing("hush"))
    assert "key-1" not in repr(client)
    assert "hush" not in repr(client)


PROBLEMS = {
    "no dict": ("game", "it must be a dict"),
    "a misspelt key": (
        {"name": "a", "redirect": []},
        "unknown key 'redirect'; did you mean 'redirects'?",
    ),
    "a key in capitals": (
        {"name": "a", "KEYS": {}},
        "unknown key 'KEYS'; did you mean 'keys'?",
    ),
    "a key of another kind": (
        {"name": "a", 5: 5},
        (
            "unknown key 5; known are 'base_url', 'default', 'hosts', 'ids', 'keys', 'name', "
            "'pages', 'redirects', 'required', 'signing'"
        ),
    ),
    "no name": ({}, "it needs a 'name'"),
    "an empty name": ({"name": ""}, "it needs a 'name'"),
    "a number as name": ({"name": 5}, "it needs a 'name'"),
    "default": ({"name": "a", "default": "yes"}, "'default' takes True or False"),
    "required": ({"name": "a", "required": 0}, "'required' takes True or False"),
    "ids": ({"name": "a", "ids": ["acme"]}, "'ids' takes a dict"),
    "a list as id": (
        {"name": "a", "ids": {"acme": [1]}},
        "'ids' takes a dict of dialect to string or whole number",
    ),
    "no id": (
        {"name": "a", "ids": {"acme": None}},
        "'ids' takes a dict of dialect to string or whole number",
    ),
    "a truth as id": (
        {"name": "a", "ids": {"acme": True}},
        "'ids' takes a dict of dialect to string or whole number",
    ),
    "half an id": (
        {"name": "a", "ids": {"acme": 57.5}},
        "'ids' takes a dict of dialect to string or whole number",
    ),
    "keys": ({"name": "a", "keys": ["k"]}, "'keys' takes a dict"),
    "one key": ({"name": "a", "keys": {"acme": "k"}}, "'keys' takes a list of strings"),
    "a number as key": ({"name": "a", "keys": {"acme": [5]}}, "'keys' takes a list of strings"),
    "one host": ({"name": "a", "hosts": "a.example"}, "'hosts' takes a list of strings"),
    "one redirect": (
        {"name": "a", "redirects": URL},
        "'redirects' takes a list of URLs, or a dict of id to URL",
    ),
    "no redirect": (
        {"name": "a", "redirects": [None]},
        "'redirects' takes a list of URLs, or a dict of id to URL",
    ),
    "an algorithm of none": (
        {"name": "a", "signing": {"key": "k", "algorithm": "none"}},
        "the 'algorithm' of 'signing' is 'HS256' or 'RS256'",
    ),
    "an algorithm of another kind": (
        {"name": "a", "signing": {"key": "k", "algorithm": "ES256"}},
        "the 'algorithm' of 'signing' is 'HS256' or 'RS256'",
    ),
    "pages": ({"name": "a", "pages": [URL]}, "'pages' takes a dict"),
    "a page": (
        {"name": "a", "pages": {"done": URL}},
        "unknown key 'done' in 'pages'; known are 'confirm', 'confirmed', 'expired', 'failed'",
    ),
    "a misspelt page": (
        {"name": "a", "pages": {"confirmd": URL}},
        "unknown key 'confirmd' in 'pages'; did you mean 'confirmed'?",
    ),
    "signing": (
        {"name": "a", "signing": 5},
        "'signing' takes a dict with 'key', 'algorithm', 'key_id', 'issuer', 'lifetime'",
    ),
    "a bare secret": (
        {"name": "a", "signing": "hunter2"},
        "'signing' takes a dict with 'key', 'algorithm', 'key_id', 'issuer', 'lifetime'",
    ),
    "signing without key": (
        {"name": "a", "signing": {"algorithm": "RS256"}},
        "'signing' takes a dict with 'key', 'algorithm', 'key_id', 'issuer', 'lifetime'",
    ),
    "an issuer of another kind": (
        {"name": "a", "signing": {"key": "k", "issuer": 5}},
        "'issuer' in 'signing' takes a string",
    ),
    "a lifetime of nothing": (
        {"name": "a", "signing": {"key": "k", "lifetime": 0}},
        ("'lifetime' in 'signing' takes seconds or a timedelta, from one second to ten years"),
    ),
    "a lifetime of nothing by hand": (
        Client(name="a", signing=Signing("k", lifetime=timedelta(0))),
        ("'lifetime' in 'signing' takes seconds or a timedelta, from one second to ten years"),
    ),
    "signing with more": (
        {"name": "a", "signing": {"key": "k", "kid": "7"}},
        "unknown key 'kid' in 'signing'; did you mean 'key_id'?",
    ),
    "signing with something else": (
        {"name": "a", "signing": {"key": "k", "until": "2031"}},
        (
            "unknown key 'until' in 'signing'; known are 'algorithm', 'issuer', 'key', 'key_id', "
            "'lifetime'"
        ),
    ),
}


@pytest.mark.parametrize(("entry", "text"), PROBLEMS.values(), ids=PROBLEMS)
def test_problems(use, entry, text):
    """A wrong entry is named by the check and refused by the registry."""
    assert str(clients.problem_of(entry)) == text
    use([entry])
    with pytest.raises(ImproperlyConfigured) as raised:
        clients.registry()
    assert str(raised.value).startswith("CLIENTS: client ")
    assert str(raised.value).endswith(f": {text}")


@pytest.mark.parametrize(
    ("entry", "text"),
    [
        (
            {"name": "shop", "id": 5},
            "CLIENTS: client 'shop': unknown key 'id'; did you mean 'ids'?",
        ),
        ({"hosts": ["a.example"]}, "CLIENTS: client number 3: it needs a 'name'"),
        ({"name": ""}, "CLIENTS: client number 3: it needs a 'name'"),
        ("shop", "CLIENTS: client number 3: it must be a dict"),
        (
            {"name": "shop", "redirects": ["/"]},
            "CLIENTS: client 'shop': '/' must be an absolute URL",
        ),
        (
            Client(name="shop", pages={"failed": "https:///"}),
            "CLIENTS: client 'shop': 'https:///' has",
        ),
    ],
)
def test_a_wrong_entry_is_named(use, entry, text):
    """By its name, or by its place where it has none: a site may have many."""
    use([{"name": "game"}, {"name": "arcade"}, entry])
    with pytest.raises(ImproperlyConfigured) as raised:
        clients.registry()
    assert str(raised.value).startswith(text)


def test_ids_of_each_kind(use):
    """A table may have its ids as UUIDs; what they are written as is what callers send."""
    use([{"name": "a", "ids": {"acme": UUID("40DB2EA4-5D42-11E6-A3FF-005056A0E04A")}}])
    client = clients.by_id("acme", "40db2ea4-5d42-11e6-a3ff-005056a0e04a")
    assert client is not None
    assert client.name == "a"


UNUSABLE = {
    "javascript": "javascript:alert(1)",
    "javascript in capitals": "JavaScript:alert(1)",
    "javascript as a host": "javascript://game.example/%0aalert(1)",
    "data": "data:text/html,<script>alert(1)</script>",
    "vbscript": "vbscript:x",
    "file": "file:///etc/passwd",
    "blob": "blob:https://game.example/1",
    "filesystem": "filesystem:https://game.example/temporary/x",
    "view-source": "view-source:https://game.example/",
    "about": "about:blank",
    "a blank in front": " javascript:alert(1)",
    "a tab within": "java\tscript:alert(1)",
    "a control in front": "\x01javascript:alert(1)",
    "a line break": "https://game.example/\r\nSet-Cookie: a=b",
    "a blank": "https://game.example/a b",
    "a backslash": "https://game.example\\@evil.example/",
    "NUL": "https://game.example/\0",
    "no ASCII": "https://g\u0430me.example/",
    "no scheme": "//game.example/",
    "a path": "/callback",
    "nothing": "",
    "a scheme alone": "https:",
    "no host": "https:///callback",
    "a port alone": "https://:443/",
    "half of an IPv6 address": "https://[::1/",
    "no text": 5,
}


@pytest.mark.parametrize("url", UNUSABLE.values(), ids=UNUSABLE)
@pytest.mark.parametrize(
    "entry",
    [
        lambda url: {"name": "a", "redirects": {"web": url}},
        lambda url: {"name": "a", "pages": {"expired": url}},
        lambda url: Client(name="a", redirects=[Redirect("0", url)]),
    ],
    ids=["redirects", "pages", "a Client"],
)
def test_unusable_urls(use, url, entry):
    """A target that is unsafe for browsers is refused by the registry, even when registered."""
    use([entry(url)])
    with pytest.raises(ImproperlyConfigured):
        clients.registry()
    assert isinstance(clients.problem_of(entry(url)), clients.UnusableURLError)


@pytest.mark.parametrize(
    "url",
    [
        "mygame://done",
        "mygame:done",
        "app://xlogin.com.example.game",
        "com.example.game:/callback",
        "https://game.example/callback?a=1#top",
        "http://[::1]:8000/",
        "HTTPS://GAME.example:443/~a/%2e%2e/;x=1",
    ],
)
def test_usable_urls(use, url):
    """All other absolute URLs may be registered, custom schemes too."""
    use([{"name": "a", "redirects": [url], "pages": {"confirmed": url}}])
    client = clients.default()
    assert client is not None
    assert (client.redirects, client.pages) == ([Redirect("0", url)], {"confirmed": url})


def test_no_problem():
    """A good entry has no problem, as a dict or as a Client."""
    assert clients.problem_of(FULL) is None
    assert clients.problem_of(Client(name="a")) is None


def test_default_is_the_marked_one(use):
    """The client marked as default is it, wherever it stands."""
    use([{"name": "a"}, {"name": "b", "default": True}])
    assert default_name() == "b"


def test_default_is_else_the_first(use):
    """Without a marked client the first is the default, and without clients there is none."""
    use([{"name": "a"}, {"name": "b"}])
    assert default_name() == "a"
    use([])
    assert clients.default() is None


def test_by_host(use):
    """A host name finds its client in any case, and no host but its own."""
    use([{"name": "a", "hosts": ["a.example"]}, {"name": "b", "hosts": ["B.example"]}])
    found = [clients.by_host(host) for host in ("A.Example", "b.example")]
    assert [client.name for client in found if client] == ["a", "b"]
    assert clients.by_host("x.a.example") is None
    assert clients.by_host("") is None


def test_by_name(use):
    """A stored name finds its client while it exists, exactly."""
    use([{"name": "a"}])
    assert clients.by_name("a") is clients.default()
    assert clients.by_name("a") is not None
    assert clients.by_name("A") is None
    assert clients.by_name("") is None


@pytest.fixture
def keyed(use):
    """Two clients of one dialect; the first has two keys, the second none."""
    use(
        [
            {"name": "a", "ids": {"acme": "A1"}, "keys": {"acme": ["k1", "k2"], "other": ["k3"]}},
            {"name": "b", "ids": {"acme": "B1"}},
        ]
    )


@pytest.mark.parametrize(
    ("dialect", "id_", "key", "name"),
    [
        ("acme", "A1", None, "a"),
        ("acme", "B1", None, "b"),
        ("acme", "A1", "k1", "a"),
        ("acme", "A1", "k2", "a"),
        ("acme", "A1", "k3", None),
        ("acme", "A1", "K1", None),
        ("acme", "A1", "", None),
        ("acme", "A1", "k1 ", None),
        ("acme", "A1", "\u00e9", None),
        ("acme", "B1", "k1", None),
        ("acme", "a1", None, None),
        ("acme", "A1 ", None, None),
        ("acme", "", None, None),
        ("other", "A1", "k3", None),
    ],
)
def test_by_id(keyed, dialect, id_, key, name):
    """An id finds its client at its own dialect; a key that is given must be one of its keys."""
    client = clients.by_id(dialect, id_, key)
    assert (client.name if client else None) == name


NEAR_MISSES = [
    "https://game.example/callback/",
    "https://game.example/callback?",
    "https://game.example/callback#",
    "https://game.example/callback?a=1",
    "https://game.example/callback#a",
    "https://game.example/callback/../callback",
    "https://game.example/Callback",
    "https://GAME.example/callback",
    "HTTPS://game.example/callback",
    "http://game.example/callback",
    "https://game.example:443/callback",
    "https://game.example./callback",
    "https://game.example//callback",
    "https://www.game.example/callback",
    "https://game.example.evil.example/callback",
    "https://game.example@evil.example/callback",
    "https://evil.example/?https://game.example/callback",
    "https://game.example/callbac%6b",
    "https://game.example/callback%00",
    "https://game.example/callback\x00",
    "https://game.example/callback\n",
    " https://game.example/callback",
    "https://game.example/callback ",
    "//game.example/callback",
    "/callback",
    "game.example/callback",
    "https:\\\\game.example\\callback",
    "https://game.example/c\u0430llback",
    "javascript:alert(1)",
    "https://",
    "0",
]


@pytest.mark.parametrize("typed", NEAR_MISSES)
def test_near_misses(typed):
    """A redirect is allowed when it equals a registered one, character for character."""
    client = Client(name="a", redirects=[Redirect("0", URL)])
    assert clients.find_redirect(client, typed) is Refusal.REDIRECT_NOT_ALLOWED


def test_exact_match():
    """The registered redirect itself is found, among several and with its query or scheme."""
    redirects = [
        Redirect("0", URL),
        Redirect("1", "https://game.example/b?keep=1"),
        Redirect("2", "app://xlogin.com.example"),
    ]
    client = Client(name="a", redirects=redirects)
    assert [clients.find_redirect(client, each.url) for each in redirects] == redirects


@pytest.mark.parametrize(
    ("registered", "typed", "found"),
    [
        ([], "", None),
        ([], None, None),
        ([], URL, Refusal.REDIRECT_NOT_ALLOWED),
        ([URL], "", Redirect("0", URL)),
        ([URL], None, Redirect("0", URL)),
        ([URL, "app://b"], "", Refusal.REDIRECT_REQUIRED),
        ([URL, "app://b"], None, Redirect("0", URL)),
    ],
)
def test_no_redirect_named(registered, typed, found):
    """Unnamed, the only redirect is meant; of several none, unless the dialect cannot name one."""
    redirects = [Redirect(str(place), url) for place, url in enumerate(registered)]
    assert clients.find_redirect(Client(name="a", redirects=redirects), typed) == found


def test_redirect_by_id():
    """A remembered id finds what is registered now, and nothing once it is not."""
    client = Client(name="a", redirects=[Redirect("web", URL)])
    assert clients.redirect_by_id(client, "web") == Redirect("web", URL)
    assert clients.redirect_by_id(client, "0") is None
    assert clients.redirect_by_id(client, "") is None


TABLE = [{"name": "from a table"}]


def from_a_table():
    """A callable for CLIENTS of a host that keeps its clients in a table."""
    return TABLE


def test_dotted_path(use):
    """CLIENTS may be the dotted path of a callable."""
    use("tests.test_clients.from_a_table")
    assert default_name() == "from a table"


def test_callable(use):
    """CLIENTS may be a callable, asked each time, so that a new row is seen at once."""
    rows = [[{"name": "a"}], [{"name": "b"}]]
    use(lambda: rows.pop(0))
    assert default_name() == "a"
    assert default_name() == "b"


def test_callable_that_returns_clients(use):
    """A callable may return Client instances."""
    use(lambda: [Client(name="a")])
    assert clients.by_name("a") == Client(name="a")


def test_callable_that_returns_nothing_usable(use):
    """A callable that returns no list is a mistake of the host's."""
    use(lambda: None)
    with pytest.raises(ImproperlyConfigured, match="takes a list of dicts"):
        clients.registry()


def test_one_registry_per_list(use):
    """The same list is indexed once; another list is indexed again."""
    use([{"name": "a"}])
    first = clients.registry()
    assert clients.registry() is first
    use([{"name": "a"}])
    assert clients.registry() is not first
