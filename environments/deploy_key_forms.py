"""Where git hosts that many people use take a deploy key: a link for a person to follow, never asked by us."""

import re

_PAGES = {
    "github.com": "https://github.com/{path}/settings/keys/new",
    "gitlab.com": "https://gitlab.com/{path}/-/settings/repository#js-deploy-keys-settings",
    "bitbucket.org": "https://bitbucket.org/{path}/admin/access-keys/",
    "codeberg.org": "https://codeberg.org/{path}/settings/keys",
}


def page_of_keys(repository: str) -> str:
    """The page of deploy keys of this repository; "" where we do not know one."""
    found = re.fullmatch(
        r"(?:ssh://)?(?:[^@/]+@)(?P<host>[^:/]+)(?::\d+/|[:/])(?P<path>[^?#]+?)(?:\.git)?/?", repository
    )
    if found is None or found["host"].lower() not in _PAGES:
        return ""
    return _PAGES[found["host"].lower()].format(path=found["path"].strip("/"))
