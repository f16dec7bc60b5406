"""The floors: views that do a part of the work, so that the rest has a price."""

from django.contrib.auth import get_user_model
from django.db import transaction
from django.db.models import F
from django.http import HttpResponse
from django.urls import path
from django.views.decorators.csrf import csrf_exempt
from rest_framework import serializers
from rest_framework.response import Response
from rest_framework.views import APIView


class AddressSerializer(serializers.Serializer):
    email = serializers.EmailField()


class Select(APIView):
    """Floor B: a serializer and an indexed SELECT."""

    def post(self, request):
        serializer = AddressSerializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        self.work(get_user_model().objects.filter(email=serializer.validated_data["email"]))
        return Response(status=204)

    def work(self, users):
        users.first()


class Update(Select):
    """Floor C: the same and an UPDATE, in a transaction."""

    def work(self, users):
        with transaction.atomic():
            users.first()
            users.update(sends=F("sends") + 1)


urlpatterns = [
    path("a", csrf_exempt(lambda request: HttpResponse(status=204))),
    path("b", Select.as_view()),
    path("c", Update.as_view()),
]
