"""The host's site, whose dialects are no others' tests' business."""

import pytest

from resend_confirmation.dialects.base import ResendView

from . import acme, bare_string, put_query, targeted, versioned

VIEWS = (
    acme.AcmeResend,
    bare_string.BareStringResend,
    put_query.PutQueryResend,
    targeted.TargetedResend,
    versioned.VersionedFirst,
)
for _view in VIEWS:
    # The process has tests of other sites, too, which do not mount them.
    del ResendView.by_name[_view.dialect]


@pytest.fixture(autouse=True)
def _shop(settings, monkeypatch):
    settings.ROOT_URLCONF = "shop.urls"
    known = {view.dialect: view for view in VIEWS}
    monkeypatch.setattr(ResendView, "by_name", ResendView.by_name | known)
