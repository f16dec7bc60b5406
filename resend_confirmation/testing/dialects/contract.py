"""Base class of the contract's parts: it runs the tests for the host's cases."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, ClassVar, TypeVar

import pytest

from .case import Case
from .site import Site, make_account

Test = TypeVar("Test", bound=Callable[..., Any])
Rows = Callable[[Case], Iterable[tuple[Any, ...]]]

#: The default expansion of a test: once for each case.
ALL: tuple[tuple[str, ...], Rows] = ((), lambda case: [()])


def expand(*names: str, rows: Rows) -> Callable[[Test], Test]:
    """Run a test once for each of a case's ``rows``, passed as the arguments ``names``."""

    def mark(test: Test) -> Test:
        vars(test)["expansion"] = (names, rows)
        return test

    return mark


def where(condition: Callable[[Case], object]) -> Callable[[Test], Test]:
    """Run a test only for the cases that meet ``condition``."""
    return expand(rows=lambda case: [()] if condition(case) else [])


class Contract:
    """Base class for tests that run for each of ``cases``, which a subclass sets."""

    cases: ClassVar[Sequence[Case]] = ()

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """Remove the tests that apply to none of the cases."""
        super().__init_subclass__(**kwargs)
        for name in dir(cls) if cls.cases else ():
            _, rows = getattr(getattr(cls, name), "expansion", ALL)
            if not any(list(rows(case)) for case in cls.cases):
                setattr(cls, name, None)

    def make_account(self, username: str, email: str, *, is_active: bool = True) -> Any:
        """Create an account without starting a confirmation. Override it for another user model."""
        return make_account(username, email, is_active=is_active)

    @pytest.fixture
    def site(self, case: Case, db: None, settings: Any, monkeypatch: Any) -> Site:
        """Return the site under test, configured for the case."""
        site = Site(settings, monkeypatch, self.make_account)
        site.configure_site(case)
        return site

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        """Run each test once for each case, or for the rows given to ``expand``."""
        if "case" not in metafunc.fixturenames:
            return
        names, rows = getattr(metafunc.function, "expansion", ALL)
        values = [(case, *row) for case in self.cases for row in rows(case)]
        metafunc.parametrize(("case", *names), values, ids=str)
