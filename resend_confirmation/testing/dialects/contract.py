"""What every part of the contract stands on: the cases that a host names, and a site for each."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, ClassVar, TypeVar

import pytest

from .case import Case
from .site import Site, make_account

Test = TypeVar("Test", bound=Callable[..., Any])
Rows = Callable[[Case], Iterable[tuple[Any, ...]]]

#: A test's expansion unless it says otherwise: once for each case.
ALL: tuple[tuple[str, ...], Rows] = ((), lambda case: [()])


def expand(*names: str, rows: Rows) -> Callable[[Test], Test]:
    """Run a test once for each of a case's ``rows``, whose values are its arguments ``names``."""

    def mark(test: Test) -> Test:
        vars(test)["expansion"] = (names, rows)
        return test

    return mark


def where(condition: Callable[[Case], object]) -> Callable[[Test], Test]:
    """Run a test for the cases that fit alone."""
    return expand(rows=lambda case: [()] if condition(case) else [])


class Contract:
    """Tests over ``cases``, which a subclass names."""

    cases: ClassVar[Sequence[Case]] = ()

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """Drop the tests that are about none of the cases."""
        super().__init_subclass__(**kwargs)
        for name in dir(cls) if cls.cases else ():
            _, rows = getattr(getattr(cls, name), "expansion", ALL)
            if not any(list(rows(case)) for case in cls.cases):
                setattr(cls, name, None)

    def make_account(self, username: str, email: str, *, is_active: bool = True) -> Any:
        """An account that nobody asked to confirm anything; override it for your own model."""
        return make_account(username, email, is_active=is_active)

    @pytest.fixture
    def site(self, case: Case, db: None, settings: Any, monkeypatch: Any) -> Site:
        """The host's site, with the settings that the contract is about."""
        site = Site(settings, monkeypatch, self.make_account)
        site.configure_site(case)
        return site

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        """Every test once for each case, or as ``expand`` says."""
        if "case" not in metafunc.fixturenames:
            return
        names, rows = getattr(metafunc.function, "expansion", ALL)
        values = [(case, *row) for case in self.cases for row in rows(case)]
        metafunc.parametrize(("case", *names), values, ids=str)
