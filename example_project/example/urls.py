"""URLs of the example site: each dialect is mounted where its vendor's clients expect it."""

from django.conf import settings
from django.contrib import admin
from django.urls import include, path
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerView

urlpatterns = [
    path("", include("demo.urls")),
    path("admin/", admin.site.urls),
    path("schema/", SpectacularAPIView.as_view(), name="schema"),
    path(
        "docs/",
        SpectacularSwaggerView.as_view(url_name="schema", template_name="demo/operations.html"),
        name="docs",
    ),
    path("confirm/", include("resend_confirmation.views")),
    path("api/", include("resend_confirmation.dialects.xsolla")),
    path("", include("resend_confirmation.dialects.xsolla.also")),
    path("", include("resend_confirmation.dialects.quiva")),
    path("", include("resend_confirmation.dialects.strapi")),
    path("", include("resend_confirmation.dialects.backendless")),
]

if settings.DEBUG:
    # It shows all links to all visitors.
    urlpatterns.append(path("inbox/", include("inbox.urls")))
