"""The kinds of requests that are measured, and what is right for each of them."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from statistics import median
from typing import Any

from resend_confirmation.outcomes import Outcome, Refusal
from resend_confirmation.testing.dialects import Case, Request
from tests.dialects.cases import all_cases

from .sites import address, session_key
from .sites.running import Server


@dataclass
class Load:
    """One kind of request to one server.

    ``answer`` is the only status that is right. A request writes ``rows`` and sends ``messages``,
    unless the site sends them later.
    """

    server: Server
    request_for: Callable[[int], Request]
    answer: int
    rows: int = 0
    messages: int = 0
    sends_later: bool = False
    rounds: list[dict[str, float]] = field(default_factory=list)

    def median(self, figure: str) -> float:
        return median(each[figure] for each in self.rounds)


def post(path: str, *, known: bool = True) -> Callable[[int], Request]:
    """Return the usual request: an address in JSON."""
    return lambda n: Request(path=path, body=b'{"email": "%s"}' % address(n, known=known).encode())


def malformed(request_for: Callable[[int], Request]) -> Callable[[int], Request]:
    """Return requests whose JSON ends too early."""
    return lambda n: replace(request_for(n), body=request_for(n).body[:-2])


def of_session(number: int) -> Request:
    """Return a request that has the account's session in place of an address."""
    headers = {"X-Session-Token": session_key(number)}
    return Request(path="/app/v1/auth/email/verify/resend", headers=headers)


def loads_of_floors(server: Server) -> dict[str, Load]:
    return {
        "floor A": Load(server, post("/a"), 204),
        "floor B": Load(server, post("/b"), 204),
        "floor B, malformed": Load(server, malformed(post("/b")), 400),
        "floor C": Load(server, post("/c"), 204, rows=1),
    }


def loads_of_peer(name: str, server: Server) -> dict[str, Load]:
    if name == "allauth":
        return {"allauth, pending": Load(server, of_session, 200, messages=1)}
    path, status = {
        "djoser": ("/users/resend_activation/", 204),
        "dj-rest-auth": ("/resend-email/", 200),
    }[name]
    return {
        f"{name}, pending": Load(server, post(path), status, messages=1),
        f"{name}, unknown": Load(server, post(path, known=False), status),
        f"{name}, malformed": Load(server, malformed(post(path)), 400),
    }


def candid_case() -> Case:
    """Return a dialect that tells whether an account is pending, and reads JSON."""
    return next(case for case in all_cases() if case.is_candid and case.field)


def loads_of_ours(server: Server) -> dict[str, Load]:
    candid, named = candid_case(), next(case for case in all_cases() if case.names_client)
    quiet = next(case for case in all_cases() if case.is_quiet)

    def load(case: Case, ending: Any, known: bool, rows: int, client: str | None = "game") -> Load:
        def request_for(number: int) -> Request:
            return case.request_for(address(number, known=known), client)

        return Load(server, request_for, case.endings[ending].status, rows)

    sent = load(candid, Outcome.SENT, True, 1)
    broken = candid.endings[Refusal.MALFORMED].status
    return {
        "candid, pending": sent,
        "candid, unknown": load(candid, Outcome.UNKNOWN, False, 0),
        "quiet, pending": load(quiet, Outcome.SENT, True, 1),
        "quiet, unknown": load(quiet, Outcome.SENT, False, 1),
        "malformed": Load(server, malformed(sent.request_for), broken),
        "unknown client": load(named, Refusal.UNKNOWN_CLIENT, True, 0, client=None),
    }


def throttled(server: Server) -> Load:
    """Return requests of which each worker has let one pass before, in the warm-up."""
    case = candid_case()
    return Load(
        server,
        lambda number: case.request_for(address(number)),
        case.endings[Refusal.THROTTLED].status,
    )
