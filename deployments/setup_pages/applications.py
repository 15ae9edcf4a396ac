"""Adding an application: where its repository is, how the Deployer is let in, and whether that works."""

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_http_methods, require_POST

from deployments.page_actions import person
from deployments.setup_pages.frame import REFUSALS, application_or_404, piece, show
from environments import (
    adding_applications,
    deploy_keys,
    editing_applications,
    host_keys,
    known_hosts,
    proposals,
    repositories,
    repository_files,
    repository_reach,
    ssh,
)
from environments.access import ADMINISTER, MAINTAIN, needs
from environments.adding_applications import Access, ApplicationError, ApplicationWrong
from environments.addresses import of_application
from environments.deploy_key_forms import page_of_keys
from environments.editing_applications import ApplicationPlan
from environments.models import Application
from environments.repository_reach import CannotReach
from environments.validation import repository_host


@require_http_methods(["GET", "POST"])
@needs(ADMINISTER)
def add_application(request: HttpRequest) -> HttpResponse:
    """The address of a repository is all that is needed."""
    if request.method != "POST":
        return show(request, "add_application.html", "repository", {"typed": {}, "problems": {}})
    try:
        made = adding_applications.add_application(
            name=request.POST.get("name", ""),
            repository=request.POST.get("repository", ""),
            way=_access(request),
            by=person(request),
        )
    except ApplicationError as error:
        return _again(request, "add_application.html", error, {"typed": request.POST})
    return redirect("connect-application", made.name)


def _access(request: HttpRequest) -> Access:
    return Access(request.POST.get("https_user", ""), request.POST.get("https_token", ""))


def _again(request: HttpRequest, template: str, error: ApplicationError, context: dict[str, object]) -> HttpResponse:
    problems = error.problems if isinstance(error, ApplicationWrong) else {"name": str(error)}
    return show(request, template, "repository", {"problems": problems, **context}, status=422)


@require_http_methods(["GET", "POST"])
@needs(MAINTAIN, of_application)
def connect_application(request: HttpRequest, name: str) -> HttpResponse:
    """Its address and key, and live whether it is reached; a POST changes the address or token."""
    application = application_or_404(name)
    context = {
        "application": application,
        "typed": {"repository": application.repository, "https_user": application.https_user},
        "problems": {},
    }
    if request.method == "POST":
        try:
            adding_applications.change_repository(
                application,
                repository=request.POST.get("repository", ""),
                way=_access(request),
                by=person(request),
            )
        except ApplicationError as error:
            application.refresh_from_db()
            return _again(request, "connect_application.html", error, _facts(application) | {"typed": request.POST})
        return redirect("connect-application", name)
    return show(request, "connect_application.html", "repository", context | _facts(application))


@require_POST
@needs(MAINTAIN, of_application)
def change_distribution(request: HttpRequest, name: str) -> HttpResponse:
    """How its code gets to hosts: packed here, fetched there, or built."""
    application = application_or_404(name)
    said = {
        key: request.POST.get(key, "").replace("\r\n", "\n").strip() for key in ApplicationPlan.__dataclass_fields__
    }
    limit = said.pop("build_time_limit")
    said["default_branch"] = application.default_branch
    wanted = ApplicationPlan(**said, build_time_limit=int(limit) if limit.isdecimal() else 0)
    token = request.POST.get("artifact_token", "").strip()
    try:
        editing_applications.change_application(application, wanted, artifact_token=token, by=person(request))
    except ApplicationWrong as error:
        typed = {"repository": application.repository, "https_user": application.https_user}
        context = _facts(application) | {"typed": typed, "problems": {}, "code_problems": error.problems}
        return show(request, "connect_application.html", "repository", context | {"plan": wanted}, status=422)
    except REFUSALS as error:
        messages.error(request, str(error))
        return redirect("connect-application", name)
    messages.success(request, "Saved. It counts from the next deploy on.")
    return redirect("connect-application", name)


def _facts(application: Application) -> dict[str, object]:
    over_ssh = bool(repository_host(application.repository))
    return {
        "application": application,
        "plan": editing_applications.plan_of(application),
        "distributions": Application.Distribution.choices,
        "over_ssh": over_ssh,
        "git_host": repository_reach.host_of(application.repository),
        "line": deploy_keys.public_line(application) if over_ssh else "",
        "keys_page": page_of_keys(application.repository),
    }


@require_POST
@needs(MAINTAIN, of_application)
def check_repository(request: HttpRequest, name: str) -> HttpResponse:
    """Ask the repository now; once it is reached, its own default branch is taken."""
    application = application_or_404(name)
    context: dict[str, object] = {"application": application, **_facts(application)}
    try:
        reached = repository_reach.reach(application)
        if application.default_branch not in reached.branches or not repositories.is_mirrored(application):
            adding_applications.take_branch(application, reached.default_branch, by=person(request))
        context["reached"] = reached
    except repositories.GitHostUnknown:
        context |= _shown(application)
    except CannotReach as error:
        context["trouble"] = error
        if error.kind == "host-key-changed":
            context |= _shown(application) | {"changed": True}
    except REFUSALS as error:
        context["refusal"] = str(error)
    return piece(request, "_repository_check.html", context)


def _shown(application: Application) -> dict[str, object]:
    """The key that its git host shows, to be confirmed; or why it shows none."""
    try:
        return {"shown": repository_reach.shown_keys(application)}
    except ssh.SSHError:
        host = repository_reach.host_of(application.repository)
        return {"trouble": repository_reach.cannot_connect(host)}


@require_POST
@needs(ADMINISTER)
def trust_git_host(request: HttpRequest, name: str) -> HttpResponse:
    """The person has compared the fingerprint."""
    application = application_or_404(name)
    try:
        key = known_hosts.read_key(*request.POST.get("key", "").split(" ", 1))
        host = host_keys.read_git_host(repository_host(application.repository))
        host_keys.accept_git(
            host=host,
            key=key,
            by=person(request).username,
            replace=host_keys.in_the_way_git(host, key) if request.POST.get("replace") == "yes" else "",
        )
    except (*REFUSALS, TypeError) as error:
        messages.error(request, str(error))
    return redirect("connect-application", name)


@require_POST
@needs(MAINTAIN, of_application)
def read_repository(request: HttpRequest, name: str) -> HttpResponse:
    """Fetch it, which the first time may take a while, and say what kind of application it seems to be."""
    application = application_or_404(name)
    context: dict[str, object] = {"application": application}
    try:
        revision = repositories.resolve(application, application.default_branch)
        files = repository_files.files_of(application, revision)
        context |= {
            "commit": repositories.commits(application, revision, limit=1)[0],
            "files": len(files.names),
            "found": proposals.propose(files, name=application.name).found,
        }
    except REFUSALS as error:
        context["refusal"] = str(error)
    return piece(request, "_repository_read.html", context)


@require_POST
@needs(MAINTAIN, of_application)
def choose_branch(request: HttpRequest, name: str) -> HttpResponse:
    """Another branch than the repository's own default is proposed for deploys."""
    try:
        adding_applications.take_branch(application_or_404(name), request.POST.get("branch", ""), by=person(request))
    except REFUSALS as error:
        messages.error(request, str(error))
    return redirect("connect-application", name)


@require_POST
@needs(MAINTAIN, of_application)
def renew_key(request: HttpRequest, name: str) -> HttpResponse:
    """A new key; the old one has to be taken off the git host."""
    adding_applications.renew_key(application_or_404(name), by=person(request))
    messages.success(request, "A new key was made. The old one opens nothing from here; remove it at the git host.")
    return redirect("connect-application", name)


@require_POST
@needs(ADMINISTER, of_application)
def remove_application(request: HttpRequest, name: str) -> HttpResponse:
    """Take back what was added by mistake."""
    try:
        adding_applications.remove_application(application_or_404(name), by=person(request))
    except REFUSALS as error:
        messages.error(request, str(error))
        return redirect("connect-application", name)
    messages.success(request, f"{name} was removed. Nothing was done anywhere else.")
    return redirect("start")
