"""Clients: how CLIENTS is read, and how the client of a request is found."""

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
    """Return a function that sets CLIENTS."""

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
    "title": " The Arcade ",
    "from_email": "Arcade <hello@arcade.example>",
    "reply_to": "help@arcade.example",
    "support_url": "mailto:help@arcade.example?subject=Help",
    "logo": "https://cdn.arcade.example:8443/logo.png?v=1",
    "accent": "#1D4ed8",
    "signing": {
        "key": "secret",
        "algorithm": "RS256",
        "key_id": "7",
        "issuer": "https://site.example",
        "lifetime": 600,
    },
}


def test_all_keys(use):
    """Each key of an entry is read; ids become strings, and hosts become lower case."""
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
        title="The Arcade",
        from_email="Arcade <hello@arcade.example>",
        reply_to="help@arcade.example",
        support_url="mailto:help@arcade.example?subject=Help",
        logo="https://cdn.arcade.example:8443/logo.png?v=1",
        accent="#1D4ed8",
        signing=Signing("secret", "RS256", "7", "https://site.example", timedelta(seconds=600)),
    )


def test_smallest(use):
    """A name is enough: confirmation is required, and nothing is registered."""
    use([{"name": "default"}])
    client = clients.default()
    assert client is not None
    assert (client.name, client.required, client.signing) == ("default", True, None)
    assert [*client.ids, *client.keys, *client.hosts, *client.redirects, *client.pages] == []


def test_redirects_with_ids(use):
    """Redirects may be a dict, so ids do not depend on the order."""
    use([{"name": "a", "redirects": {"web": URL, 7: "app://callback"}}])
    client = clients.by_name("a")
    assert client is not None
    assert client.redirects == [Redirect("web", URL), Redirect("7", "app://callback")]


def test_default_algorithm(use):
    """A key without an algorithm signs with HS256."""
    use([{"name": "a", "signing": {"key": "secret"}}])
    client = clients.by_name("a")
    assert client is not None
    assert client.signing == Signing("secret", "HS256", None, None, timedelta(days=1))


def test_secrets_are_not_shown():
    """A client's repr, which may be logged, contains no key or secret."""
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
            "unknown key 5; known are 'accent', 'base_url', 'default', 'from_email', 'hosts', "
            "'ids', 'keys', 'logo', 'name', 'pages', 'redirects', 'reply_to', 'required', "
            "'signing', 'support_url', 'title'"
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
    "a title of two lines": (
        {"name": "a", "title": "A\nB"},
        "'title' takes one line of text, without control characters",
    ),
    "no title by hand": (Client(name="a", title=None), "'title' takes a string"),  # type: ignore[arg-type]
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
    """An invalid entry is reported by the check and refused by the registry."""
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
def test_an_invalid_entry_is_named(use, entry, text):
    """An error names the client, or its position if it has no name."""
    use([{"name": "game"}, {"name": "arcade"}, entry])
    with pytest.raises(ImproperlyConfigured) as raised:
        clients.registry()
    assert str(raised.value).startswith(text)


def test_ids_of_each_kind(use):
    """An id may be a UUID, which is compared by its usual spelling."""
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
    """A URL that is unsafe for browsers cannot be registered."""
    use([entry(url)])
    with pytest.raises(ImproperlyConfigured):
        clients.registry()
    assert isinstance(clients.problem_of(entry(url)), clients.UnusableURLError)


ADDRESS = "takes one address, such as 'Site <hello@site.example>'"
LOGO = "takes an absolute URL, such as 'https://site.example/logo.png'"
SUPPORT = "takes an absolute URL, such as 'https://site.example/help' or 'mailto:help@site.example'"
COLOUR = "takes a colour such as '#14532d'"
LINE = "takes one line of text, without control characters"

BAD_LOOKS = [
    ("from_email", "the shop", ADDRESS),
    ("from_email", "Shop, Inc. <a@shop.example>", ADDRESS),
    ("from_email", "a@shop.example, b@shop.example", ADDRESS),
    ("from_email", "Team: a@shop.example;", ADDRESS),
    ("from_email", "Shop <a@shop.example> and more", ADDRESS),
    ("from_email", "Shop <a@shop.example\r\nBcc: x@evil.example>", LINE),
    ("reply_to", "Shop <a@shop>", ADDRESS),
    ("reply_to", "<>", ADDRESS),
    ("accent", "14532d", COLOUR),
    ("accent", "#1453", COLOUR),
    ("accent", "red", COLOUR),
    ("accent", "#14532d;", COLOUR),
    ("logo", "/logo.png", LOGO),
    ("logo", "http://shop.example/logo.png", LOGO),
    ("logo", "https:///logo.png", LOGO),
    ("logo", "https://shop.example;img-src *", LOGO),
    ("logo", "https://me@shop.example/logo.png", LOGO),
    ("logo", "data:image/png;base64,AAAA", LOGO),
    ("support_url", "javascript:alert(1)", SUPPORT),
    ("support_url", "http://shop.example/help", SUPPORT),
    ("support_url", "mailto:help", SUPPORT),
    ("support_url", "mailto:a@shop.example,b@shop.example", SUPPORT),
    ("support_url", "help@shop.example", SUPPORT),
]


@pytest.mark.parametrize(("key", "value", "text"), BAD_LOOKS)
def test_bad_looks(key, value, text):
    """Sender, support, logo and colour are checked; the URLs among them as unusable URLs."""
    problem = clients.problem_of({"name": "a", key: value})
    assert str(problem) == f"{key!r} {text}"
    assert isinstance(problem, clients.UnusableURLError) is (key in {"logo", "support_url"})


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("from_email", "Café Zürich <hello@shop.example>"),
        ("from_email", '"Shop, Inc." <hello@xn--bcher-kva.example>'),
        ("reply_to", "hello@b\xfccher.example"),
        ("support_url", "https://shop.example:8443/help?a=1#top"),
        ("support_url", "mailto:help%2Bshop@shop.example"),
        ("logo", "https://shop.example"),
        ("accent", "#FFFFFF"),
    ],
)
def test_good_looks(key, value):
    """Names with other letters, international domains, ports and queries are accepted."""
    assert clients.problem_of({"name": "a", key: value}) is None


@pytest.mark.parametrize(
    ("accent", "text"),
    [
        ("#000000", "#ffffff"),
        ("#14532d", "#ffffff"),
        ("#1d4ed8", "#ffffff"),
        ("#facc15", "#000000"),
        ("#ffffff", "#000000"),
        # Both contrasts are nearly equal for these two.
        ("#757575", "#ffffff"),
        ("#767676", "#000000"),
    ],
)
def test_text_on_a_colour(accent, text):
    """The text on a colour is white, or black if that has the higher contrast."""
    assert clients.looks.text_colour(accent) == text


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
    """All other absolute URLs can be registered, including custom schemes."""
    use([{"name": "a", "redirects": [url], "pages": {"confirmed": url}}])
    client = clients.default()
    assert client is not None
    assert (client.redirects, client.pages) == ([Redirect("0", url)], {"confirmed": url})


def test_no_problem():
    """A valid entry has no problem, as a dict or as a Client."""
    assert clients.problem_of(FULL) is None
    assert clients.problem_of(Client(name="a")) is None


def test_default_is_the_marked_one(use):
    """The client that is marked as default is the default client."""
    use([{"name": "a"}, {"name": "b", "default": True}])
    assert default_name() == "b"


def test_default_is_otherwise_the_first(use):
    """Without a mark the first client is the default; without clients there is no default."""
    use([{"name": "a"}, {"name": "b"}])
    assert default_name() == "a"
    use([])
    assert clients.default() is None


def test_by_host(use):
    """A client is found by its hosts in any case, but not by their subdomains."""
    use([{"name": "a", "hosts": ["a.example"]}, {"name": "b", "hosts": ["B.example"]}])
    found = [clients.by_host(host) for host in ("A.Example", "b.example")]
    assert [client.name for client in found if client] == ["a", "b"]
    assert clients.by_host("x.a.example") is None
    assert clients.by_host("") is None


def test_by_name(use):
    """A client is found by its exact name."""
    use([{"name": "a"}])
    assert clients.by_name("a") is clients.default()
    assert clients.by_name("a") is not None
    assert clients.by_name("A") is None
    assert clients.by_name("") is None


@pytest.fixture
def keyed(use):
    """Two clients of a dialect: the first has two keys, the second has none."""
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
    """A client is found by dialect and id; a key in the request must be one of the client's."""
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
    """A redirect that differs from the registered one in any character is refused."""
    client = Client(name="a", redirects=[Redirect("0", URL)])
    assert clients.find_redirect(client, typed) is Refusal.REDIRECT_NOT_ALLOWED


def test_exact_match():
    """A redirect that equals a registered one is found."""
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
    """Without a redirect in the request the only one is used; with several it is required."""
    redirects = [Redirect(str(place), url) for place, url in enumerate(registered)]
    assert clients.find_redirect(Client(name="a", redirects=redirects), typed) == found


def test_redirect_by_id():
    """A stored id finds a redirect only while it is registered."""
    client = Client(name="a", redirects=[Redirect("web", URL)])
    assert clients.redirect_by_id(client, "web") == Redirect("web", URL)
    assert clients.redirect_by_id(client, "0") is None
    assert clients.redirect_by_id(client, "") is None


TABLE = [{"name": "from a table"}]


def from_a_table():
    """Return clients as a host's callable might, from a table."""
    return TABLE


def test_dotted_path(use):
    """CLIENTS may be the dotted path of a callable."""
    use("tests.test_clients.from_a_table")
    assert default_name() == "from a table"


def test_callable(use):
    """CLIENTS may be a callable, which is called each time."""
    rows = [[{"name": "a"}], [{"name": "b"}]]
    use(lambda: rows.pop(0))
    assert default_name() == "a"
    assert default_name() == "b"


def test_callable_that_returns_clients(use):
    """A callable may return Client instances."""
    use(lambda: [Client(name="a")])
    assert clients.by_name("a") == Client(name="a")


def test_callable_that_returns_nothing_usable(use):
    """A callable that does not return a list is an error."""
    use(lambda: None)
    with pytest.raises(ImproperlyConfigured, match="takes a list of dicts"):
        clients.registry()


def test_one_registry_per_list(use):
    """A list is indexed once; another list is indexed separately."""
    use([{"name": "a"}])
    first = clients.registry()
    assert clients.registry() is first
    use([{"name": "a"}])
    assert clients.registry() is not first
