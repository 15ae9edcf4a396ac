"""An installation with nothing in it, real SSH servers to add to it, and a repository that is reached over SSH."""

import re
from dataclasses import dataclass, field
from typing import Literal

from playwright.sync_api import Browser, Page, StorageState

from tests.deployer_site.copies import Copy
from tests.deployments.openssh import OpenSSH
from tests.repository import Repository


@dataclass
class EmptySite:
    """`hosts` and `git_host` let nobody in before a test has written a key down. `wrong`: what no browser may see."""

    copy: Copy
    hosts: list[OpenSSH]
    git_host: OpenSSH
    repository: Repository
    session: StorageState | None = None
    wrong: list[str] = field(default_factory=list)

    @property
    def base(self) -> str:
        return f"http://localhost:{self.copy.port}"

    @property
    def link(self) -> str:
        """The one-time link that was printed."""
        found = re.search(r"http://localhost:\d+/welcome/\S+", self.copy.printed)
        assert found, self.copy.printed
        return found[0]

    @property
    def address(self) -> str:
        """Of the repository."""
        return f"ssh://{self.git_host.user}@127.0.0.1:{self.git_host.port}{self.repository.path}"

    def line_of(self, host: OpenSSH) -> str:
        """A host as people paste it."""
        return f"{host.user}@127.0.0.1:{host.port}"

    def open(self, browser: Browser, *, width: int = 1440, theme: Literal["light", "dark"] = "light") -> Page:
        """A page, signed in as the one before; its script errors and requests to elsewhere are collected."""
        context = browser.new_context(
            viewport={"width": width, "height": 900}, color_scheme=theme, storage_state=self.session
        )
        page = context.new_page()
        page.on("pageerror", lambda error: self.wrong.append(str(error)))
        page.on("request", lambda asked: None if asked.url.startswith(self.base) else self.wrong.append(asked.url))
        return page

    def keep_session(self, page: Page) -> None:
        """Who is signed in on this page is so on those that are opened later."""
        self.session = page.context.storage_state()


def let_in(host: OpenSSH, line: str) -> None:
    """What an administrator of the host does: append the line to authorized_keys."""
    with (host.folder / "authorized_keys").open("a") as handle:
        handle.write(line.strip() + "\n")
