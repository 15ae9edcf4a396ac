"""Addresses of the WebSockets."""

from django.urls import path

from deployments.consumers import LogConsumer

websocket_urlpatterns = [path("ws/deploys/<int:deploy_id>/log", LogConsumer.as_asgi())]
