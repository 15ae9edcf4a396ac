"""Whether a host has gone from where it was, as far as what names it can tell."""

from environments.models import Environment, GivenHost, Host, Membership


def tell(host: int | None, environment: Environment) -> str:
    """`it has left staging`, `fleet names it no more`: why it may be gone for good; "" when nothing says so."""
    if host is None or not Host.objects.filter(pk=host).exists():
        return "it was taken out of the Deployer"
    if not Membership.objects.filter(host=host, environment=environment).exists():
        return f"it has left {environment.name}"
    rows = GivenHost.objects.filter(host=host, source__environment=environment).select_related("source", "host")
    names = sorted(row.source.name for row in rows if row.host.name in row.source.leaving)
    if not names or len(names) < len(rows):
        return ""
    return f"{' and '.join(names)} name{'s' if len(names) == 1 else ''} it no more"
