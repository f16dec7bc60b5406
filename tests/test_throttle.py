"""The throttle: which network a request comes from, and when there are too many of them."""

import logging
import os
import time

import pytest
import redis
from django.core.cache import caches
from django.core.cache.backends.base import BaseCache
from django.core.cache.backends.locmem import LocMemCache
from django.test import RequestFactory

from resend_confirmation.dialects.base import throttle
from resend_confirmation.dialects.base.throttle import Exceeded

from .conftest import unavailable

REDIS_URL = os.environ.get("REDIS_URL", "redis://127.0.0.1:6379")


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


@pytest.mark.parametrize(("peer", "network"), NETWORKS.values(), ids=NETWORKS)
def test_network(peer, network):
    """A network is an IPv4 address or an IPv6 /64; what is neither shares one count."""
    assert throttle.network(request_from(peer)) == network


def test_no_peer_at_all():
    """A server that tells no peer shares one count as well."""
    request = request_from()
    del request.META["REMOTE_ADDR"]
    assert throttle.network(request) == "unknown"


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


@pytest.mark.parametrize(("proxies", "header", "network"), FORWARDED.values(), ids=FORWARDED)
def test_forwarded(change, proxies, header, network):
    """Behind trusted proxies the hop that the outermost saw counts, from the right."""
    change(TRUSTED_PROXIES=proxies)
    assert throttle.network(request_from("10.0.0.1", header)) == network


@pytest.fixture
def still(monkeypatch):
    """A time that stands still, so that no window ends in the middle of a test."""
    now = [1_900_000_000.0]
    monkeypatch.setattr("django_ratelimit.core.time.time", lambda: now[0])
    return now


def test_rate(change, still):
    """So many calls pass, and the next are told how long to wait, until the window ends."""
    change(THROTTLE="3/m")
    request = request_from()
    assert [throttle.check(request, "acme") for _ in range(3)] == [None, None, None]
    exceeded = throttle.check(request, "acme")
    assert exceeded is not None
    assert exceeded.limit == 3
    assert 1 <= exceeded.retry_after <= 60
    still[0] += exceeded.retry_after + 1
    assert throttle.check(request, "acme") is None


def test_each_dialect_counts_alone(change, still):
    """One dialect's calls are not held against another's, and each has its own rate."""
    change(THROTTLE={"acme": "1/m", "other": "2/m"})
    request = request_from()
    results = [throttle.check(request, name) for name in ("acme", "other", "other")]
    assert results == [None, None, None]
    refused = [throttle.check(request, name) for name in ("acme", "other")]
    assert [each.limit for each in refused if each] == [1, 2]
    assert throttle.check(request, "third") is None
    change(THROTTLE="5/m")
    for name in ("acme", "other"):
        assert [throttle.check(request, name) for _ in range(5)] == [None] * 5


def test_each_network_counts_alone(change, still):
    """One network's calls are not held against another's; a /64 is one network."""
    change(THROTTLE="1/m")
    peers = ["192.0.2.1", "192.0.2.2", "2001:db8:1:2::1", "2001:db8:1:3::1"]
    assert [throttle.check(request_from(peer), "acme") for peer in peers] == [None] * 4
    again = ["::ffff:192.0.2.1", "2001:db8:1:2:ffff::1"]
    assert all(throttle.check(request_from(peer), "acme") for peer in again)


def test_no_rate(change):
    """Without a rate the cache is not even asked."""
    change(THROTTLE=None)
    assert [throttle.check(request_from(), "acme") for _ in range(100)] == [None] * 100


class DeadCache(BaseCache):
    """A cache whose server is gone."""

    def __init__(self, server, params):
        super().__init__(params)

    def add(self, *args, **kwargs):
        raise ConnectionError("redis://:secret@cache.example is gone")


class SilentCache(LocMemCache):
    """A cache that loses everything and says so, as memcached without a server."""

    def add(self, *args, **kwargs):
        return False

    def incr(self, *args, **kwargs):
        raise ValueError("no such key")


@pytest.fixture(params=["DeadCache", "SilentCache"])
def broken(request, settings, monkeypatch):
    """A cache that is out of order, and a process that has not logged it yet."""
    settings.CACHES = {"default": {"BACKEND": f"tests.test_throttle.{request.param}"}}
    monkeypatch.setattr(throttle, "_last_logged", -throttle.QUIET_FOR)
    yield request.param
    del settings.CACHES


def test_a_cache_out_of_order(broken, change, caplog, monkeypatch):
    """With the cache out of order nobody is refused, and one warning a minute says so."""
    seconds = [1000.0]
    monkeypatch.setattr(time, "monotonic", lambda: seconds[0])
    change(THROTTLE="1/m")
    with caplog.at_level(logging.WARNING, logger="resend_confirmation"):
        assert [throttle.check(request_from(), "acme") for _ in range(5)] == [None] * 5
        seconds[0] += throttle.QUIET_FOR
        assert throttle.check(request_from(), "acme") is None
    records = [record for record in caplog.records if record.name == "resend_confirmation"]
    assert len(records) == 2
    assert all("nobody is throttled" in record.getMessage() for record in records)
    assert "secret" not in caplog.text


@pytest.fixture
def redis_cache(settings):
    """A real Redis, which holds nothing of ours afterwards."""
    try:
        redis.Redis.from_url(REDIS_URL).ping()
    except redis.RedisError:
        unavailable(f"no Redis at {REDIS_URL}")
    backend = "django.core.cache.backends.redis.RedisCache"
    settings.CACHES = {
        "default": {"BACKEND": backend, "LOCATION": REDIS_URL, "KEY_PREFIX": f"t{os.getpid()}"}
    }
    yield caches["default"]
    for key in redis.Redis.from_url(REDIS_URL).scan_iter(f"t{os.getpid()}:*"):
        redis.Redis.from_url(REDIS_URL).delete(key)


@pytest.mark.redis
def test_redis(redis_cache, change, still):
    """Through Redis the processes of a site count together."""
    change(THROTTLE="3/m")
    request = request_from()
    results = [throttle.check(request, "acme") for _ in range(5)]
    assert results[:3] == [None, None, None]
    assert [type(each) for each in results[3:]] == [Exceeded, Exceeded]


@pytest.mark.redis
def test_redis_that_is_gone(redis_cache, settings, change, caplog, monkeypatch):
    """A Redis that does not answer refuses nobody."""
    monkeypatch.setattr(throttle, "_last_logged", -throttle.QUIET_FOR)
    backend = "django.core.cache.backends.redis.RedisCache"
    settings.CACHES = {"default": {"BACKEND": backend, "LOCATION": "redis://127.0.0.1:1"}}
    change(THROTTLE="1/m")
    assert [throttle.check(request_from(), "acme") for _ in range(3)] == [None] * 3
    assert "nobody is throttled" in caplog.text
