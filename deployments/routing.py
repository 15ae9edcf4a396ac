"""Addresses of the WebSockets."""

from django.urls import path

from deployments.consumers import LogConsumer
from deployments.page_socket import PageConsumer

websocket_urlpatterns = [
    path("ws/deploys/<int:deploy_id>/log", LogConsumer.as_asgi()),
    path("ws/page", PageConsumer.as_asgi()),
]
