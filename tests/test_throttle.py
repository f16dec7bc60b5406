"""The throttle: networks of callers, rates and the cache."""

import logging
import os
import shutil
import socket
import subprocess
import time
from http.client import HTTPConnection
from io import BytesIO
from threading import Event, Thread
from unittest import mock
from urllib.parse import urlsplit
from wsgiref.simple_server import WSGIRequestHandler, make_server

import pytest
import redis
from django.core.cache import cache
from django.core.cache.backends.base import BaseCache
from django.core.cache.backends.locmem import LocMemCache
from django.core.handlers.asgi import ASGIRequest
from django.core.handlers.wsgi import WSGIRequest
from django.test import Client, RequestFactory

from resend_confirmation import conf
from resend_confirmation.throttling import circuit_breaker, throttle
from resend_confirmation.throttling.rates import Exceeded, Limit, Memory, count
from resend_confirmation.throttling.throttle import network

from .conftest import unavailable
from .faults.gate import Gate

pytestmark = pytest.mark.database

REDIS_URL = os.environ.get("REDIS_URL", "redis://127.0.0.1:6379")


class QuietHandler(WSGIRequestHandler):
    """A request handler without a log."""

    def log_message(self, *args):
        pass


def request_from(peer="192.0.2.1", forwarded=None):
    request = RequestFactory().post("/")
    request.META["REMOTE_ADDR"] = peer
    if forwarded is not None:
        request.META["HTTP_X_FORWARDED_FOR"] = forwarded
    return request


NETWORKS = {
    "IPv4": ("192.0.2.1", "192.0.2.1"),
    "IPv6": ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
    "IPv6, the same network": ("2001:db8:1:2::1", "2001:db8:1:2::/64"),
    "IPv6, in capitals": ("2001:DB8:1:2::1", "2001:db8:1:2::/64"),
    "IPv6, another network": ("2001:db8:1:3::1", "2001:db8:1:3::/64"),
    "IPv4 in IPv6": ("::ffff:192.0.2.1", "192.0.2.1"),
    "IPv4 in IPv6, in hexadecimal": ("::ffff:c000:201", "192.0.2.1"),
    "a translator's": ("64:ff9b::192.0.2.1", "192.0.2.1"),
    "not quite a translator's": ("64:ff9b:1::192.0.2.1", "64:ff9b:1::/64"),
    "6to4": ("2002:c000:201:77::1", "192.0.2.1"),
    "6to4, another subnet": ("2002:c000:201:78::1", "192.0.2.1"),
    "a zone": ("fe80::1%eth0", "fe80::/64"),
    "brackets": ("[2001:db8:1:2::1]", "2001:db8:1:2::/64"),
    "loopback": ("::1", "::/64"),
    "a Unix socket": ("", "unknown"),
    "garbage": ("proxy.example", "unknown"),
    "a number": ("5", "unknown"),
    "leading zeros": ("192.0.2.001", "unknown"),
    "a port": ("192.0.2.1:1234", "192.0.2.1"),
    "IPv6 and a port": ("[2001:db8:1:2::1]:1234", "2001:db8:1:2::/64"),
}


@pytest.mark.parametrize(("peer", "expected"), NETWORKS.values(), ids=NETWORKS)
def test_network(peer, expected):
    """A network is an IPv4 address or an IPv6 /64; everything else shares one count."""
    assert network(request_from(peer)) == expected


def test_no_peer_at_all():
    """Without REMOTE_ADDR all callers share one count."""
    request = request_from()
    del request.META["REMOTE_ADDR"]
    assert network(request) == "unknown"


FORWARDED = {
    "no proxy is trusted": (None, "198.51.100.7", "10.0.0.1"),
    "none of them": (0, "198.51.100.7", "10.0.0.1"),
    "one": (1, "198.51.100.7", "198.51.100.7"),
    "one, and a caller's lie": (1, "203.0.113.9, 198.51.100.7", "198.51.100.7"),
    "one, and many lies": (1, "a, 203.0.113.9, , 198.51.100.7", "198.51.100.7"),
    "two": (2, "198.51.100.7, 10.0.0.2", "198.51.100.7"),
    "two, and a caller's lie": (2, "203.0.113.9,198.51.100.7,10.0.0.2", "198.51.100.7"),
    "too few hops": (2, "198.51.100.7", "10.0.0.1"),
    "no header": (1, None, "10.0.0.1"),
    "an empty header": (1, "", "10.0.0.1"),
    "an empty hop": (2, ", 10.0.0.2", "10.0.0.1"),
    "a space around": (1, "  198.51.100.7  ", "198.51.100.7"),
    "IPv6": (1, "2001:db8:1:2::9", "2001:db8:1:2::/64"),
    "garbage": (1, "unknown", "unknown"),
    "a host name": (1, "evil.example", "unknown"),
}


@pytest.mark.parametrize(("proxies", "header", "expected"), FORWARDED.values(), ids=FORWARDED)
def test_forwarded(change, proxies, header, expected):
    """Behind trusted proxies the caller is determined from the right of X-Forwarded-For."""
    change(TRUSTED_PROXIES=proxies)
    assert network(request_from("10.0.0.1", header)) == expected


SEVERAL = [
    ("X-Forwarded-For", "203.0.113.9"),
    ("Accept", "*/*"),
    ("x-forwarded-for", "198.51.100.7, 10.0.0.2"),
]


def test_several_headers_through_wsgi(change):
    """WSGI: several X-Forwarded-For headers are read as one, so a caller cannot forge it."""
    change(TRUSTED_PROXIES=2)
    seen = []

    def application(environ, start_response):
        seen.append(network(WSGIRequest(environ)))
        start_response("204 No Content", [])
        return []

    with make_server("127.0.0.1", 0, application, handler_class=QuietHandler) as server:
        thread = Thread(target=server.handle_request)
        thread.start()
        connection = HTTPConnection("127.0.0.1", server.server_port, timeout=10)
        connection.putrequest("POST", "/")
        for name, value in SEVERAL:
            connection.putheader(name, value)
        connection.endheaders()
        assert connection.getresponse().status == 204
        connection.close()
        thread.join()
    assert seen == ["198.51.100.7"]


def test_several_headers_through_asgi(change):
    """ASGI: several X-Forwarded-For headers are read as one."""
    change(TRUSTED_PROXIES=2)
    headers = [(name.lower().encode(), value.encode()) for name, value in SEVERAL]
    scope = {"type": "http", "method": "POST", "path": "/", "headers": headers}
    request = ASGIRequest({**scope, "client": ("10.0.0.1", 1)}, BytesIO())
    assert network(request) == "198.51.100.7"


@pytest.fixture
def still(monkeypatch):
    """The current time, which the test sets, so that no window ends during the test."""
    now = [1_900_000_000.0]
    monkeypatch.setattr(time, "time", lambda: now[0])
    return now


def test_rate(change, still):
    """Requests beyond the rate get the remaining seconds of the window."""
    change(THROTTLE="3/m")
    request = request_from()
    assert [throttle.check(request, "acme") for _ in range(3)] == [None, None, None]
    exceeded = throttle.check(request, "acme")
    assert exceeded is not None
    assert exceeded.limit == 3
    assert 1 <= exceeded.retry_after <= 60
    still[0] += exceeded.retry_after + 1
    assert throttle.check(request, "acme") is None


def passed(name="acme", peers=("192.0.2.1",)):
    """Return how many of these requests are allowed."""
    return [throttle.check(request_from(peer), name) for peer in peers].count(None)


def test_dialects_count_together(change, still):
    """All dialects together allow a network no more requests than the highest rate."""
    change(THROTTLE="5/m")
    names = ["acme", "other", "third"] * 4
    assert [passed(name) for name in names] == [1] * 5 + [0] * 7
    change(THROTTLE={"acme": "1/m", "other": "3/m", "free": None})
    names = ["acme", "acme", "other", "other", "other", "free", "unnamed"]
    assert [passed(name) for name in names] == [1, 0, 1, 1, 0, 1, 1]


def test_the_highest_rate(change):
    """The rate of all dialects has the highest number, and the period of the highest rate."""
    change(THROTTLE="60/2m")
    assert conf.get().throttle_of_all() == "60/2m"
    change(THROTTLE={"a": "1000/d", "b": "100/m", "d": "2/10s", "e": None})
    assert conf.get().throttle_of_all() == "1000/m"


ALLOCATIONS = {
    "a /64": ([f"2001:db8:1:2::{n:x}" for n in range(50)], 5),
    "a /56": ([f"2001:db8:1:{n:x}::1" for n in range(50)], 10),
    "a /48": ([f"2001:db8:1:{n:x}01::1" for n in range(50)], 20),
    "all of a /48": ([f"2001:db8:1:{n:x}::{n:x}" for n in range(0, 65536, 777)], 20),
    "an IPv4 /24": ([f"192.0.2.{n}" for n in range(250)], 40),
    "6to4": ([f"2002:c000:201:{n:x}::1" for n in range(50)], 5),
}


@pytest.mark.parametrize(("peers", "expected"), ALLOCATIONS.values(), ids=ALLOCATIONS)
def test_rotation_within_one_allocation(change, still, peers, expected):
    """Changing the address within an allocation allows only a few more requests."""
    change(THROTTLE="5/m")
    assert passed(peers=peers) == expected
    assert passed(peers=["2001:db8:2::1", "198.51.100.1"]) == 2


def test_one_network_uses_up_no_wider_one(change, still):
    """Refused requests do not count against the wider network."""
    change(THROTTLE="5/m")
    assert passed(peers=["192.0.2.1"] * 100) == 5
    assert passed(peers=["192.0.2.2"] * 5) == 5


def test_across_the_edge_of_a_window(change, still):
    """The window slides: any ten seconds allow five requests."""
    change(THROTTLE="5/10s")
    start = 1_900_000_000.0
    passing = []
    for n in range(100):
        still[0] = start + 0.19 * n
        passing += [still[0]] * passed()
    assert len(passing) == 10
    assert max(sum(at <= each < at + 9.3 for each in passing) for at in passing) == 5


def test_waiting_for_retry_after_is_enough(change, still):
    """A request is allowed after Retry-After seconds, but not a second earlier."""
    change(THROTTLE="3/m")
    for second in (0, 7, 31):
        still[0] = 1_900_000_000.0 + second
        assert passed() == 1
    told = throttle.check(request_from(), "acme")
    assert told is not None
    still[0] += told.retry_after - 1
    assert passed() == 0
    still[0] += 1
    assert passed() == 1


def test_a_race(change, still):
    """Concurrent requests do not exceed the rate."""
    change(THROTTLE="5/m")
    stale = LocMemCache("a race", {})
    with mock.patch.object(stale, "get_many", return_value={}):
        limits = [Limit.of("acme", "192.0.2.1", "5/m")]
        assert [count(stale, limits) == () for _ in range(8)] == [True] * 5 + [False] * 3


def test_each_network_counts_alone(change, still):
    """Networks are counted separately; a /64 is one network."""
    change(THROTTLE="1/m")
    peers = ["192.0.2.1", "192.0.2.2", "2001:db8:1:2::1", "2001:db8:1:3::1"]
    assert [throttle.check(request_from(peer), "acme") for peer in peers] == [None] * 4
    again = ["::ffff:192.0.2.1", "2001:db8:1:2:ffff::1"]
    assert all(throttle.check(request_from(peer), "acme") for peer in again)


def test_a_full_cache_in_memory(change, still):
    """A cache in memory has 300 entries by default; the throttle counts more networks."""
    change(THROTTLE="1/m")
    assert passed(peers=[f"198.51.{n}.1" for n in range(200)]) == 200
    assert passed(peers=["198.51.0.1"]) == 0


def test_the_host_clears_its_cache(change, still):
    """A host that clears a cache in memory, as in its tests, clears the throttle's counts too."""
    change(THROTTLE="1/m")
    assert [passed(), passed()] == [1, 0]
    cache.clear()
    assert [passed(), passed()] == [1, 0]


def test_no_rate(change):
    """Without a rate there is no limit."""
    change(THROTTLE=None)
    assert [throttle.check(request_from(), "acme") for _ in range(100)] == [None] * 100


def test_switched_off(change, settings):
    """RATELIMIT_ENABLE = False disables the throttle as well."""
    settings.RATELIMIT_ENABLE = False
    change(THROTTLE="1/m")
    assert [throttle.check(request_from(), "acme") for _ in range(3)] == [None] * 3


# A cache that does not work


class DeadCache(BaseCache):
    """A cache whose server is down until ``works`` is set."""

    asked = 0
    works = False

    def __init__(self, server, params):
        super().__init__(params)

    def get_many(self, keys, version=None):
        DeadCache.asked += 1
        if self.works:
            return {}
        raise ConnectionError("redis://:secret@cache.example is gone")

    def add(self, *args, **kwargs):
        return True


class SilentCache(LocMemCache):
    """A cache that stores nothing and reports it, as memcached without a server."""

    def add(self, *args, **kwargs):
        return False

    def incr(self, *args, **kwargs):
        raise ValueError("no such key")


@pytest.fixture
def seconds(monkeypatch):
    """The monotonic clock, which the test sets."""
    now = [1000.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    return now


@pytest.fixture
def log(caplog):
    """Return a function that returns the package's log messages."""
    caplog.set_level(logging.WARNING, logger="resend_confirmation")
    return lambda: [r.getMessage() for r in caplog.records if r.name == "resend_confirmation"]


BROKEN = "The throttle's cache does not work ({}); each process counts on its own"
WORKS = "The throttle's cache works again"
CACHES = {
    "it raises": ("DeadCache", False, BROKEN.format("ConnectionError")),
    "it keeps nothing": ("SilentCache", False, BROKEN.format("CacheLostError")),
    "it keeps nothing, and fails open": ("SilentCache", True, BROKEN.format("CacheLostError")),
}


@pytest.mark.parametrize("case", CACHES.values(), ids=CACHES)
def test_a_cache_that_does_not_work(settings, change, still, log, caplog, case):
    """If the cache does not work, each process counts on its own; one warning is logged."""
    kind, opens, logged = case
    settings.CACHES = {"default": {"BACKEND": f"tests.test_throttle.{kind}"}}
    settings.RATELIMIT_FAIL_OPEN = opens
    change(THROTTLE={"acme": "3/2m", "other": "1/s"})
    results = [throttle.check(request_from(), "acme") for _ in range(5)]
    assert results == [None] * 3 + [Exceeded(limit=3, retry_after=120)] * 2
    assert throttle.check(request_from("2001:db8::1"), "acme") is None
    elsewhere = request_from("198.51.100.1")
    assert throttle.check(elsewhere, "other") is None
    assert throttle.check(elsewhere, "other") == Exceeded(limit=1, retry_after=1)
    still[0] += 119
    assert throttle.check(request_from(), "acme") is not None
    still[0] += 1
    assert throttle.check(request_from(), "acme") is None
    assert log() == [logged]
    assert "secret" not in caplog.text


def test_a_cache_that_does_not_exist(settings, change, log):
    """An unknown cache is treated like one that does not work."""
    settings.RATELIMIT_USE_CACHE = "nowhere"
    change(THROTTLE="1/m")
    assert throttle.check(request_from(), "acme") is None
    assert throttle.check(request_from(), "acme") is not None
    assert log() == [BROKEN.format("InvalidCacheBackendError")]


def test_rests(settings, change, seconds, log, monkeypatch):
    """A cache that failed is not used for 5 s, then 10 s, and so on up to a minute."""
    settings.CACHES = {"default": {"BACKEND": "tests.test_throttle.DeadCache"}}
    monkeypatch.setattr(DeadCache, "asked", 0)
    monkeypatch.setattr(DeadCache, "works", False)
    change(THROTTLE="1/m")
    asked = []
    for second in range(200):
        seconds[0] = 1000.0 + second
        before = DeadCache.asked
        for _ in range(3):
            throttle.check(request_from(), "acme")
        asked += [second] * (DeadCache.asked - before)
    assert asked == [0, 5, 15, 35, 75, 135, 195]
    DeadCache.works = True
    assert throttle.check(request_from(), "acme") is not None
    seconds[0] += 60
    assert throttle.check(request_from(), "acme") is None
    assert throttle.check(request_from(), "acme") is None
    DeadCache.works = False
    throttle.check(request_from(), "acme")
    broken = BROKEN.format("ConnectionError")
    assert log() == [broken, WORKS, broken]
    before = DeadCache.asked
    seconds[0] += 5
    throttle.check(request_from(), "acme")
    assert DeadCache.asked == before + 1


def test_memory_is_bounded(still):
    """The number of counts in memory is limited; the least recently used are dropped."""
    counts = Memory(3)
    limits = {name: [Limit.of("acme", name, "1/m")] for name in "abcde"}
    assert [count(counts, limits[name]) == () for name in "abcade"] == [True] * 3 + [False] + [
        True
    ] * 2
    assert [count(counts, limits[name]) == () for name in "adebc"] == [False] * 3 + [True] * 2


def test_others_do_not_wait(settings, change, monkeypatch):
    """Only one request waits for a cache that hangs."""
    asked, free = [], Event()

    class HangingCache(BaseCache):
        def __init__(self, server, params):
            super().__init__(params)

        def get_many(self, keys, version=None):
            asked.append(1)
            assert free.wait(60)
            return {}

    monkeypatch.setattr("tests.test_throttle.DeadCache", HangingCache)
    monkeypatch.setattr(circuit_breaker, "CACHE_SECONDS", 0.2)
    settings.CACHES = {"default": {"BACKEND": "tests.test_throttle.DeadCache"}}
    change(THROTTLE="2/m")
    results = [throttle.check(request_from(), "acme") for _ in range(50)]
    free.set()
    assert [type(each) for each in results] == [type(None)] * 2 + [Exceeded] * 48
    assert len(asked) == 1


# Redis and memcached


def backend_at(url):
    backend = "django.core.cache.backends.redis.RedisCache"
    return {"default": {"BACKEND": backend, "LOCATION": url, "KEY_PREFIX": f"t{os.getpid()}"}}


@pytest.fixture
def real_redis():
    """A Redis server; the keys of this process are deleted after the test."""
    server = redis.Redis.from_url(REDIS_URL)
    try:
        server.ping()
    except redis.RedisError:
        unavailable(f"no Redis at {REDIS_URL}")
    yield server
    for key in server.scan_iter(f"t{os.getpid()}:*"):
        server.delete(key)
    server.close()


@pytest.mark.redis
def test_redis(real_redis, settings, change, still, log):
    """The throttle counts in Redis."""
    settings.CACHES = backend_at(REDIS_URL)
    change(THROTTLE="3/m")
    request = request_from()
    results = [throttle.check(request, "acme") for _ in range(5)]
    assert results[:3] == [None, None, None]
    assert [type(each) for each in results[3:]] == [Exceeded, Exceeded]
    # One key for the address and one for its /24.
    assert len(list(real_redis.scan_iter(f"t{os.getpid()}:*"))) == 2
    assert log() == []


@pytest.fixture
def gate(real_redis):
    """A proxy of Redis that can be shut."""
    url = urlsplit(REDIS_URL)
    gate = Gate((url.hostname, url.port or 6379))
    gate.open()
    yield gate
    gate.shut()


def post(times=1):
    """Send requests to a dialect and return the statuses."""
    body, kind = {"user": "nobody@example.com"}, "application/json"
    return [Client().post("/user/confirmation", body, kind).status_code for _ in range(times)]


@pytest.mark.redis
@pytest.mark.django_db
@pytest.mark.urls("shop.versioned")
def test_redis_stops_and_comes_back(gate, settings, change, still, seconds, log):
    """If Redis stops, requests are still answered; it is used again when it is back."""
    database = urlsplit(REDIS_URL).path
    settings.CACHES = backend_at(f"redis://127.0.0.1:{gate.port}{database}")
    change(THROTTLE="4/m")
    assert post(3) == [404] * 3
    gate.shut()
    assert post(6) == [404] * 4 + [429] * 2
    assert log() == [BROKEN.format("ConnectionError")]
    gate.open()
    assert post() == [429]
    seconds[0] += 5
    # The fourth and fifth request that Redis counts.
    assert post(2) == [404, 429]
    assert log() == [BROKEN.format("ConnectionError"), WORKS]


@pytest.mark.redis
@pytest.mark.django_db
@pytest.mark.urls("shop.versioned")
def test_redis_hangs(gate, settings, change, still, log, monkeypatch):
    """If Redis hangs, only one request waits, until the time limit."""
    database = urlsplit(REDIS_URL).path
    settings.CACHES = backend_at(f"redis://127.0.0.1:{gate.port}{database}")
    monkeypatch.setattr(circuit_breaker, "CACHE_SECONDS", 0.2)
    change(THROTTLE="4/m")
    assert post(3) == [404] * 3
    gate.shut()
    with socket.create_server(("127.0.0.1", gate.port)):
        assert post(50) == [404] * 4 + [429] * 46
    assert log() == [BROKEN.format("DeadlineExceeded")]


@pytest.fixture
def memcached():
    """A memcached server for one test."""
    program = shutil.which("memcached")
    if program is None:
        unavailable("memcached is not installed")
        return
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    command = [program, "-l", "127.0.0.1", "-p", str(port), "-U", "0", "-u", "nobody"]
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    for _ in range(200):
        try:
            socket.create_connection(("127.0.0.1", port), timeout=5).close()
            break
        except OSError:
            time.sleep(0.05)
    yield process, port
    process.kill()
    process.wait()


@pytest.mark.memcached
def test_memcached(memcached, settings, change, still, log):
    """The throttle counts in memcached, which may stop too."""
    process, port = memcached
    backend = "django.core.cache.backends.memcached.PyMemcacheCache"
    settings.CACHES = {"default": {"BACKEND": backend, "LOCATION": f"127.0.0.1:{port}"}}
    change(THROTTLE="3/m")
    results = [throttle.check(request_from(), "acme") for _ in range(5)]
    assert [type(each) for each in results] == [type(None)] * 3 + [Exceeded] * 2
    assert log() == []
    process.kill()
    process.wait()
    results = [throttle.check(request_from(), "acme") for _ in range(5)]
    assert [type(each) for each in results] == [type(None)] * 3 + [Exceeded] * 2
    (line,) = log()
    assert line.startswith("The throttle's cache does not work (")
