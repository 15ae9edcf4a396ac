"""A finished deploy with a log, and someone who may read it."""

from django.conf import settings
from django.test import Client

from deployments import log
from deployments.models import Deploy
from tests.builders import make_deploy, make_lines, make_run, make_target, make_token, make_user


class Scene:
    """A deploy that is over, with a log of two hosts; and who may read it."""

    def __init__(self) -> None:
        self.user = make_user(username="vera", role="viewer")
        self.token = make_token(user=self.user)
        client = Client()
        client.force_login(self.user)
        self.session = client.cookies[settings.SESSION_COOKIE_NAME].value
        self.deploy: Deploy = make_deploy(target=make_target())
        make_run(deploy=self.deploy)
        self.texts = [f"\x1b[3{n % 8}mline {n} ü 😀" for n in range(1, 1801)]
        for first in range(0, 1800, 300):
            make_lines(deploy=self.deploy, texts=self.texts[first : first + 300], host=f"web{first // 300 % 2}")
        lines, sha256 = log.digest(self.deploy.pk)
        Deploy.objects.filter(pk=self.deploy.pk).update(lines=lines, log_sha256=sha256)

    @property
    def cookie(self) -> tuple[bytes, bytes]:
        return b"cookie", f"{settings.SESSION_COOKIE_NAME}={self.session}".encode()

    @property
    def bearer(self) -> tuple[bytes, bytes]:
        return b"authorization", f"Bearer {self.token}".encode()

    @property
    def path(self) -> str:
        return f"/ws/deploys/{self.deploy.pk}/log"
