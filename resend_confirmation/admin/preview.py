"""The preview of the message in the admin, for each client and language, in light and dark."""

from functools import partial
from typing import Any

from django import forms
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils.text import capfirst
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from .. import clients, languages
from ..addresses import Address
from ..courier import sample
from ..email_backend import Message
from ..failures import discreet

#: Policy of the frame with the HTML part: no scripts and forms, and images as in a mail program.
POLICY = (
    "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src https: data:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'self'"
)


def _clients() -> list[tuple[str, str]]:
    return [(each.name, each.title or each.name) for each in clients.registry().clients]


def _languages() -> list[tuple[str, str]]:
    return list(languages.offered().items())


class ChoiceForm(forms.Form):
    """The choice of a message. Without one it is that of the site's own client and language."""

    client = forms.ChoiceField(label=capfirst(_("client")), choices=_clients)
    language = forms.ChoiceField(label=capfirst(_("language")), choices=_languages)
    code = forms.BooleanField(label=_("With a code"), required=False)

    def __init__(self, given: dict[str, Any]) -> None:
        usual = clients.default()
        values = {"client": usual and usual.name, "language": languages.site_language()}
        super().__init__(values | given)

    def message(self, address: str = sample.ADDRESS) -> Message:
        """Return the sample of a valid choice."""
        chosen = self.cleaned_data
        return sample.write(
            clients.by_name(chosen["client"]),
            chosen["language"],
            with_code=chosen["code"],
            address=address,
        )


def urls(model_admin: Any) -> list[URLPattern]:
    """Return the URLs of the page and of its frames."""
    name = f"{model_admin.opts.app_label}_{model_admin.opts.model_name}_preview"
    view = model_admin.admin_site.admin_view
    return [
        path("preview/", view(discreet(partial(show, model_admin))), name=name),
        path(
            "preview/<str:scheme>/",
            view(discreet(partial(frame, model_admin))),
            name=f"{name}_frame",
        ),
    ]


def show(model_admin: Any, request: HttpRequest) -> HttpResponse:
    """Show the message in both colour schemes; a POST sends it to the member of staff."""
    if not model_admin.has_view_permission(request):
        raise PermissionDenied
    form = ChoiceForm(request.GET.dict())
    mail = form.message() if form.is_valid() else None
    may_send = model_admin.has_resend_permission(request)
    if request.method == "POST":
        if not (mail and may_send):
            raise PermissionDenied
        _send_test(request, form)
        return HttpResponseRedirect(request.get_full_path())
    context = {
        **model_admin.admin_site.each_context(request),
        "title": gettext("Preview of the message"),
        "opts": model_admin.opts,
        "form": form,
        "text": sample.text(mail) if mail else "",
        "schemes": [("light", gettext("Light")), ("dark", gettext("Dark"))] if mail else [],
        "query": request.GET.urlencode(),
        "may_send": mail and may_send,
    }
    request.current_app = model_admin.admin_site.name
    return TemplateResponse(request, "admin/resend_confirmation/confirmation/preview.html", context)


def frame(model_admin: Any, request: HttpRequest, scheme: str) -> HttpResponse:
    """Return the HTML part in a colour scheme, for a frame of the page."""
    if not model_admin.has_view_permission(request):
        raise PermissionDenied
    form = ChoiceForm(request.GET.dict())
    if scheme not in sample.SCHEMES or not form.is_valid():
        raise Http404
    response = HttpResponse(sample.html(form.message(), scheme))
    response["Content-Security-Policy"] = POLICY
    response["Referrer-Policy"] = "no-referrer"
    # Django's middleware would forbid the frame.
    response["X-Frame-Options"] = "SAMEORIGIN"
    return response


def _send_test(request: HttpRequest, form: ChoiceForm) -> None:
    user: Any = request.user
    address = getattr(user, user.get_email_field_name(), "") or ""
    if Address.parse(address) is None:
        messages.error(request, gettext("Your account has no e-mail address."))
        return
    result = sample.send(form.message(address))
    if result.failure is None:
        text = gettext("A test was sent to %(address)s.")
        messages.success(request, text % {"address": address})
        return
    text = gettext("The test was not sent (%(error)s).")
    error = f"{result.error_class} {result.error_code}".strip()
    messages.error(request, text % {"error": error})
