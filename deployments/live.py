"""Word to open pages that a deploy has news: "something changed", "there are lines up to n"."""

from notifications import live


def group(deploy_id: int) -> str:
    return f"deploy-{deploy_id}"


def announce(deploy_id: int, *, n: int = 0, changed: bool = False) -> None:
    """Tell who watches a deploy, and pages that show it. Returns at once; call it on commit."""
    live.say(group(deploy_id), {"n": n, "changed": int(changed)})
    if changed:
        live.changed("deploys", f"deploy/{deploy_id}")
