"""The test site's URLs: each dialect at the paths where the example site mounts it."""

from django.contrib import admin
from django.urls import include, path
from drf_spectacular.views import SpectacularAPIView

urlpatterns = [
    path("admin/", admin.site.urls),
    path("confirm/", include("resend_confirmation.views")),
    path("schema/", SpectacularAPIView.as_view()),
    path("api/", include("resend_confirmation.dialects.xsolla")),
    path("", include("resend_confirmation.dialects.xsolla.also")),
    path("", include("resend_confirmation.dialects.quiva")),
    path("", include("resend_confirmation.dialects.strapi")),
    path("", include("resend_confirmation.dialects.backendless")),
]
