"""What is proposed for a new target: by the files of the repository, and by Capistrano's configuration in it."""

import tempfile
from pathlib import Path

from deployments import recipe_file
from deployments.capistrano import configuration, translation
from deployments.capistrano.refusals import CapistranoError
from deployments.capistrano.translation import Plan
from environments import proposals, repositories, repository_files
from environments.models import Application
from environments.proposals import Proposal
from environments.repository_files import Files

_OF_CAPISTRANO = ("Capfile", "config/deploy.rb", "config/deploy/", "lib/capistrano/")
_MOST_COPIED = 200


def propose(application: Application, *, environment: str, branch: str = "") -> Proposal:
    """Read at `branch`, by default the application's own, from the mirror as it is. Raises RepositoryError."""
    revision = repositories.resolve_known(application, branch or application.default_branch)
    files = repository_files.files_of(application, revision)
    proposal = proposals.propose(files, name=application.name)
    _own_file(application, revision, proposal)
    if "Capfile" in files and "config/deploy.rb" in files:
        _capistrano(files, environment, proposal)
    return proposal


def _own_file(application: Application, revision: str, proposal: Proposal) -> None:
    """A repository that says its own steps needs none of ours; what it links is linked without being said again."""
    try:
        said = recipe_file.read(application, revision)
    except recipe_file.RecipeFileError as error:
        proposal.notes.append(str(error))
        return
    if said is None:
        return
    proposal.found.insert(0, recipe_file.NAME)
    if said.steps:
        names = ", ".join(step.name for step in said.steps)
        proposal.steps = []
        proposal.notes.append(f"{recipe_file.NAME} brings the steps {names}; they need not be said here again.")
    for path in (*said.linked_dirs, *said.linked_files):
        proposal.linked_dirs.pop(path, None)
        proposal.linked_files.pop(path, None)


def _capistrano(files: Files, environment: str, proposal: Proposal) -> None:
    proposal.found.insert(0, "Capistrano")
    try:
        plan = _plan(files, environment)
    except CapistranoError as error:
        proposal.notes.append(f"Capistrano's configuration could not be read: {error}")
        return
    if plan is None:
        proposal.notes.append(f"Capistrano has no stage {environment}; folder and links are not taken from it.")
        return
    proposal.root, proposal.user, proposal.keep = plan.root, plan.user, plan.keep
    proposal.path_prepend = tuple(plan.path_prepend)
    if plan.linked_dirs or plan.linked_files:
        proposal.linked_dirs = dict.fromkeys(plan.linked_dirs, "config/deploy.rb")
        proposal.linked_files = dict.fromkeys(plan.linked_files, "config/deploy.rb")
    proposal.notes += [f"{finding.at}: {finding.text}".removeprefix(": ") for finding in plan.findings]


def _plan(files: Files, environment: str) -> Plan | None:
    """Its configuration is read, never executed."""
    wanted = sorted(name for name in files.names if name.startswith(_OF_CAPISTRANO))[:_MOST_COPIED]
    with tempfile.TemporaryDirectory(prefix="deployer-capistrano-") as name:
        folder = Path(name)
        for path in wanted:
            copy = folder / path
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_text(files.text(path))
        capfile = folder / "Capfile"
        if environment not in configuration.stages(capfile):
            return None
        return translation.translate(configuration.read_stage(capfile, environment, {}))
