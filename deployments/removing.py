"""Removing an endpoint's root from a host: an attached program that refuses anything that is not exactly that."""

from deployments import host_program, recipes
from deployments.capistrano.asking import NoAnswer, ask
from deployments.failures import Fenced, ProgramFailed
from deployments.host_values import Mark
from deployments.jobs import Job
from deployments.writing import host_to_write
from environments.endpoints import FOLDER


def remove_root(job: Job) -> None:
    """Nothing of the endpoint is left on the job's host. Raises ProgramFailed, Fenced, ssh.SSHError."""
    run = job.run
    place, name = recipes.place(run.deploy), run.deploy.target.name
    host = host_to_write(run)

    def command(nonce: str) -> str:
        return host_program.remove_command(place, folder=FOLDER, endpoint=name, fence=run.fence, nonce=nonce)

    try:
        end = ask(host, run.deploy.recipe["user"], command, {"gone", "refused"})[-1]
    except NoAnswer as error:
        raise ProgramFailed("unknown", f"{error} Its folder may still be there") from None
    if end.word == "refused":
        raise _refusal(end)


def _refusal(mark: Mark) -> ProgramFailed:
    kind, _, text = mark.args.partition(" ")
    if kind == "fence":
        return Fenced(int(text))
    told = {
        "target": f"the folder belongs to {text}, so it was not touched",
        "running": f"{text}. Its target needs a step in the phase “stop” that ends it; nothing was removed",
    }
    return ProgramFailed(kind, told.get(kind, text))
