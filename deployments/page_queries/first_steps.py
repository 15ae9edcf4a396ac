"""The way from an empty Deployer to the first rollback: which steps are done, which one is next."""

from dataclasses import dataclass

from django.db.models import Count, Q
from django.urls import reverse

from deployments.models import Deploy, Kind, Placement, Standing
from deployments.states import DeployStatus
from environments import repositories, sight
from environments.models import Application, Environment, Host, HostAuthority, Target, User
from environments.ssh import authorities


@dataclass(frozen=True)
class FirstStep:
    """`state`: done, now or later. `url` is where it is done, "" while that is not known yet."""

    key: str
    title: str
    fact: str
    state: str
    url: str


@dataclass(frozen=True)
class FirstSteps:
    steps: tuple[FirstStep, ...]

    @property
    def over(self) -> bool:
        """Whether nobody has to be led any more; the rollback is for those who want to see one."""
        return all(step.state == "done" for step in self.steps if step.key != "rollback")

    @property
    def done(self) -> int:
        return sum(step.state == "done" for step in self.steps)

    @property
    def next(self) -> FirstStep | None:
        return next((step for step in self.steps if step.state == "now"), None)


@dataclass
class _There:
    application: Application | None
    read: bool
    environment: Environment | None
    hosts: int
    trusted: int
    target: Target | None
    deployed: bool
    everywhere: bool
    rolled_back: bool


def read_first_steps(user: User) -> FirstSteps:
    """A fixed number of queries, none of which grows with the history."""
    there = _look(user)
    rows = [
        ("signin", "Sign in", f"as {user.full_name}", True, ""),
        _repository(there),
        _hosts(there),
        _target(there),
        *_deploys(there),
    ]
    now = next((key for key, _, _, done, _ in rows if not done), "")
    return FirstSteps(
        tuple(
            FirstStep(key, title, fact, "done" if done else "now" if key == now else "later", url)
            for key, title, fact, done, url in rows
        )
    )


Row = tuple[str, str, str, bool, str]


def _repository(there: _There) -> Row:
    one = there.application
    url = reverse("connect-application", args=[one.name]) if one else reverse("add-application")
    fact = "read-only, by a key made for it" if one is None else one.name if there.read else f"{one.name}: not read yet"
    return "repository", "Connect a repository", fact, there.read, url


def _hosts(there: _There) -> Row:
    place = there.environment
    url = reverse("check-hosts", args=[place.name]) if place else reverse("add-hosts")
    fact = "by SSH, as any user" if place is None else f"{there.trusted} of {there.hosts} trusted, in {place.name}"
    return "hosts", "Add hosts", fact, bool(there.hosts) and there.trusted == there.hosts, url


def _target(there: _There) -> Row:
    one, place = there.application, there.environment
    title, fact = "Say how it is deployed", "proposed from what is found"
    if there.target:
        names = [there.target.application.name, there.target.environment.name]
        return "target", title, " to ".join(names), True, reverse("edit-target", args=names)
    asked = f"?application={one.name}&environment={place.name}" if one and place else ""
    return "target", title, fact, False, reverse("add-target") + asked


def _deploys(there: _There) -> list[Row]:
    names = [there.target.application.name, there.target.environment.name] if there.target else []
    new = reverse("new-deploy", args=names) if names else ""
    page = reverse("target", args=names) if names else ""
    one = ("deploy-one", "Deploy to one host", "after a dry run, if you like", there.deployed, new and f"{new}?to=one")
    everywhere = ("deploy-all", "Deploy to all", "they switch together", there.everywhere, new)
    back = ("rollback", "Roll back once", "to have seen it", there.rolled_back, page)
    return [one, everywhere, back]


def _look(user: User) -> _There:
    theirs = sight.of_targets(user, "target__")
    target = (
        Target.objects.select_related("application", "environment")
        .filter(sight.of_targets(user), name="")
        .order_by("pk")
        .first()
    )
    application = (
        target.application if target else Application.objects.filter(sight.of_applications(user)).order_by("pk").first()
    )
    counted = Environment.objects.filter(sight.of_environments(user)).annotate(
        hosts=Count("memberships", distinct=True),
        trusted=Count("memberships", filter=Q(memberships__host__keys__isnull=False), distinct=True),
    )
    # the target's own environment; before there is one, that which has hosts
    own = counted.filter(pk=target.environment_id) if target else counted.filter(hosts__gt=0).order_by("pk")
    place = own.first()
    live = Standing.objects.filter(theirs, live__isnull=False).select_related("live").order_by("pk").first()
    hosts = getattr(place, "hosts", 0)
    return _There(
        application=application,
        read=application is not None and repositories.is_mirrored(application),
        environment=place,
        hosts=hosts,
        trusted=_trusted(place) if place else 0,
        target=target,
        deployed=live is not None,
        everywhere=live is not None and bool(hosts) and _serving(live) >= hosts,
        rolled_back=live is not None
        and Deploy.objects.filter(theirs, kind=Kind.ROLLBACK, status=DeployStatus.SUCCEEDED).exists(),
    )


def _trusted(place: Environment) -> int:
    """How many of its hosts may be spoken to: by a key that somebody has confirmed, or by a certificate."""
    keyed: int = getattr(place, "trusted", 0)
    if keyed >= getattr(place, "hosts", 0) or not HostAuthority.objects.exists():
        return keyed
    rest = Host.objects.filter(memberships__environment=place, keys=None)
    return keyed + sum(authorities.covers(host) for host in rest)


def _serving(live: Standing) -> int:
    """How many hosts serve something, of the first target that is live."""
    return Placement.objects.filter(target=live.target_id, current__isnull=False, colour="").count()
