"""Making what a plan says: an application, an environment, hosts, a target. What is there already stays as it is."""

from dataclasses import dataclass, field
from typing import Any, TypeVar

from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import Max, Model

from deployments.capistrano.refusals import CannotTranslate
from deployments.capistrano.translation import HostPlan, Plan
from environments import access
from environments.models import Application, Environment, Host, Membership, Target, User
from notifications import events

Row = TypeVar("Row", bound=Model)


@dataclass
class Made:
    """The target of a stage; `made` names what is new, `kept` what was there."""

    target: Target
    made: list[str] = field(default_factory=list)
    kept: list[str] = field(default_factory=list)


def make(plan: Plan, *, by: User | None, actor: str) -> Made:
    """All of it or nothing. Raises CannotTranslate, NotAllowed."""
    access.require(by, access.ADMINISTER)
    if plan.problems:
        raise CannotTranslate(f"{plan.slug} cannot be made: " + " ".join(problem.text for problem in plan.problems))
    try:
        with transaction.atomic():
            return _make(plan, actor)
    except ValidationError as error:
        raise CannotTranslate(f"{plan.slug} cannot be made: {' '.join(error.messages)}") from error


def _make(plan: Plan, actor: str) -> Made:
    made: list[str] = []
    kept: list[str] = []

    def note(row: Model, new: bool) -> None:
        (made if new else kept).append(f"{row._meta.verbose_name} {row}")

    application = Application.objects.filter(name=plan.application).first()
    _refuse_other(plan, application)
    note(
        *(
            _first(
                application, Application(name=plan.application, repository=plan.repository, default_branch=plan.branch)
            )
        )
    )
    application = Application.objects.get(name=plan.application)
    there = Environment.objects.filter(name=plan.environment).first()
    last = Environment.objects.aggregate(last=Max("position"))["last"]
    environment, new = _first(there, Environment(name=plan.environment, position=0 if last is None else last + 1))
    note(environment, new)
    for host in plan.hosts:
        note(*_host(host, environment))
    known = Target.objects.filter(application=application, environment=environment, name="").first()
    target, new = _first(known, Target(application=application, environment=environment, **_fields(plan)))
    note(target, new)
    if made:
        _record(target, actor, made)
    return Made(target, made, kept)


def _first(there: Row | None, otherwise: Row) -> tuple[Row, bool]:
    """What is there, or the new row after its checks; and whether it is new. Raises ValidationError."""
    if there is not None:
        return there, False
    otherwise.full_clean()
    otherwise.save()
    return otherwise, True


def _refuse_other(plan: Plan, application: Application | None) -> None:
    if application is not None and application.repository != plan.repository:
        raise CannotTranslate(
            f"There is an application {plan.application} already, with the repository {application.repository}. "
            "Name this one otherwise with --set application=…."
        )


def _host(plan: HostPlan, environment: Environment) -> tuple[Host, bool]:
    """By its address, whatever it is called here."""
    there = Host.objects.filter(address=plan.address, port=plan.port).first()
    name = plan.name
    if there is None and Host.objects.filter(name=name).exists():
        name = f"{environment.name}-{plan.name}"[:63]
    host, new = _first(there, Host(name=name, address=plan.address, port=plan.port))
    member = Membership.objects.filter(environment=environment, host=host).first()
    _first(member, Membership(environment=environment, host=host, roles=plan.roles))
    return host, new


def _fields(plan: Plan) -> dict[str, Any]:
    names = ("root", "user", "keep", "role", "linked_dirs", "linked_files", "path_prepend")
    return {name: getattr(plan, name) for name in names}


def _record(target: Target, actor: str, made: list[str]) -> None:
    events.record(
        "target.imported",
        actor,
        application=target.application.name,
        environment=target.environment.name,
        made=made,
    )
