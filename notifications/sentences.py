"""Events as people read them: one sentence for each. Pure; names of deploys and hosts are the event's own."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from notifications.models import Event

THE_DEPLOYER = "The Deployer"
LONGEST = 400

_BEGINS = {
    "rollback": "rolls {target} back to {what}, #{number}.",
    "configuration": "deploys the configuration of {target}, #{number}.",
    "retry": "retries {what} on {target}, #{number}.",
    "converge": "converges hosts of {target} to {what}, #{number}.",
    "task": "runs {ref} on {target}, #{number}.",
}
_DEPLOYS = "deploys {what} to {target}, #{number}."

_SENTENCES = {
    "application.added": "{who} added the application {application}, read from {repository}.",
    "application.changed": "{who} changed how {application} is read.",
    "application.removed": "{who} removed the application {application}.",
    "channel.added": "{who} set up the channel {name}.",
    "channel.changed": "{who} changed the channel {name}.",
    "channel.removed": "{who} removed the channel {name}.",
    "channel.resumed": "{who} let announcements go to the channel {name} again.",
    "channel.stopped": "Announcements to the channel {name} have stopped. {reason}",
    "authority.distrusted": "{who} no longer trusts the authority {fingerprint} for hosts like {patterns}.",
    "authority.trusted": "{who} trusts certificates of the authority {fingerprint} for hosts like {patterns}.",
    "calendar.address_made": "{who} made a secret address for their calendar.",
    "calendar.address_removed": "{who} took the secret address of their calendar away.",
    "configuration.delivery_changed": "{who} changed where the configuration of {target} lies in a release: {told}.",
    "configuration.removed": "{who} removed {name} from the {layer} {of}.",
    "configuration.set": "{who} set {name} for the {layer} {of}{was_secret}.",
    "configuration.undone": "{who} undid the last change of {name} for the {layer} {of}.",
    "deploy.approved": "{who} approves #{number} on {target}: {what}.",
    "deploy.moved_to_front": "{who} moved #{number} on {target} to the front of those that wait.",
    "deploy.not_taken": "An automatic deploy to {target} was not taken. {reason}",
    "deploy.overrode": "{who} deploys #{number} to {target} in an emergency: {why}. In the way stood: {what_stood}",
    "deploy.refused": "{who} refused #{number} on {target}: {word}",
    "deploy.started": "#{number} on {target} starts, its turn has come.",
    "deploy.cancelling": "{who} cancels #{number} on {target}.",
    "deploy.succeeded": "#{number} on {target} succeeded: {what}.",
    "deploy.partial": "#{number} on {target} is partial. {reason}",
    "deploy.failed": "#{number} on {target} failed. {reason}",
    "deploy.cancelled": "#{number} on {target} was cancelled. {reason}",
    "deploy.needs_attention": "#{number} on {target} needs someone. {reason}",
    "deploy.held": "{who} holds #{number} on {target} before it goes live.",
    "deploy.prepared": "#{number} on {target} is prepared on {hosts} hosts and waits to go live.",
    "deploy.flipped": "{who} lets #{number} on {target} go live.",
    "deploy.dropped": "{who} dropped #{number} on {target}, which had met a lock.",
    "deploy.let_go": "{who} lets #{number} on {target} go, which had met a lock.",
    "deploy.met_lock": "#{number} on {target} is held: {reason}",
    "deploy.stays_held": "The lock that #{number} on {target} met has ended. Someone must deploy or drop it.",
    "deploy.flip_refused": "#{number} on {target} did not go live by itself. {reason}",
    "endpoint.ends_soon": "The endpoint {target} with {branch} ends {end}. Extend it, or it is taken away.",
    "endpoint.extended": "{who} keeps the endpoint {target} {end}.",
    "endpoint.gone": "Nothing is left of the endpoint {target} on hosts.",
    "endpoint.made": "{who} made the endpoint {target} with {branch}: {address}, {end}.",
    "endpoint.taken_away": "{who} takes the endpoint {target} with {branch} away{why}.",
    "endpoints.offered": "{who} set up endpoints in {environment}, at {address}.",
    "endpoints.withdrawn": "{who} ended the making of endpoints in {environment}.",
    "environment.created": "{who} added the environment {name}.",
    "environment.moved": "{who} changed the order of environments: {order}.",
    "environment.removed": "{who} removed the environment {name}.",
    "environment.opened": "{who} opened {name}: everyone may there what everyone may.",
    "environment.protected": "{who} protected {name}.",
    "everyone.changed": "{who} made everyone {role}, and {protected} where it is protected.",
    "factor.added": "{who} added a second factor: {factor} “{name}”.",
    "factor.code_used": "{who} used a code for a bad day; {left} are left.",
    "factor.codes_renewed": "{who} made new codes for a bad day.",
    "factor.removed": "{who} removed a second factor: {factor} “{name}”.",
    "factor.taken": "{who} took the second factors of {user} away.",
    "fence.raised": "{who} raised the fence of {target} to {fence}.",
    "freeze.lifted": "{who} lifted the freeze of {place}: {reason}",
    "freeze.made": "{who} freezes {place} {end}: {reason}",
    "grant.given": "{who} made {user}{team} {role} {place}.",
    "grant.taken": "{who} took from {user}{team} the role {role} {place}.",
    "heartbeat.made": "{who} made a token by which {host} says for {name} that it is there.",
    "heartbeat.revoked": "{who} revoked the token by which {host} said for {name} that it is there.",
    "hook.refused": "A hook to {application} by {name} was not signed, and not read. {reason}",
    "hook.replayed": "{who} had a hook to {application} by {name} worked on once more.",
    "hook.secret_renewed": "{who} made another secret for the hooks to {application} by {name}.",
    "hook.source_made": "{who} lets {name} send hooks for {application}.",
    "hook.source_removed": "{who} lets {name} send no more hooks for {application}.",
    "host.added": "{who} added {host} ({place}) to {environment}.",
    "host.asked": "{who} asked {host_or_place} what runs there. {told}",
    "host.changed": "{who} changed {host} from {before} to {now}.",
    "host.converged": "{host} runs what is intended for {target} again: {seen}.",
    "host.drained": "{who} drained {host}: {reason}",
    "host.drifted": "{host} runs {seen} for {target}, intended is {intended} ({drift}).",
    "host.folder_named": "{who} said where {host} is looked at for what serves: {folder}.",
    "host.followed": "{host} follows {source}: {words}.",
    "host.key_accepted": "{who} trusts {host}{git_host} by its {algorithm} key {fingerprint}.",
    "host.key_distrusted": "{who} no longer trusts {host}{git_host} by its {algorithm} key {fingerprint}.",
    "host.key_refused": "{host} showed a key that nobody has accepted. {error}",
    "host.labelled": "{who} changed the labels of {host} in {environment}: {labels}.",
    "host.noted": "{who} noted of {host}: {note}",
    "host.observed": "{who} has {host} only looked at: nothing is written there.",
    "host.moved": "{who} changed where {host} stands: {place}.",
    "host.quarantined": "{who} quarantined {host}: {reason}",
    "host.removed": "{who} took {host} out of {environment}.",
    "host.roles_changed": "{who} changed the roles of {host} in {environment}.",
    "host.taken_back": "{who} took {host} back; deploys go to it again.",
    "host.taken_up": "{who} lets deploys go to {host}, which was only looked at before.",
    "host_run.adopted": "Another worker went on with {host} in a deploy to {target}.",
    "host_run.claimed": "A worker took {host} in a deploy to {target}.",
    "host_run.failed": "{host} failed in a deploy to {target} at {step}. {error}",
    "host_run.unknown": "Nobody knows how {host} ended in a deploy to {target}. {error}",
    "host_run.unreachable": "{host} could not be reached in a deploy to {target}. {error}",
    "key.created": "The Deployer made itself a key pair.",
    "key.uploaded": "{who} uploaded the key pair that the Deployer signs in with.",
    "lock.acquired": "{who} locked {place} {end}: {reason}",
    "lock.answered": "{who} answered {asker}, who asked for {place}: {answer}.",
    "lock.asked": "{who} asks {holder} for {place}: {question}",
    "lock.closed_to_machines": "{place} is closed to machines until a person clears it. {reason}",
    "lock.declined": "{who} did not take {place} when it was offered.",
    "lock.expired": "The lock of {holder} on {place} has ended.",
    "lock.extended": "{who} keeps {place} locked {end}: {reason}",
    "lock.free": "{place} is free.",
    "lock.handed_over": "{who} waited for {place} and has it now, {end}: {reason}",
    "lock.left_line": "{who} no longer waits for {place}.",
    "lock.offer_lapsed": "{holder} did not confirm in time that they take {place}.",
    "lock.offered": "{place} is offered to {holder}, who waited for it, {end}.",
    "lock.overridden": "{who} goes over the lock of {holder} on {place} with #{number}, in an emergency: {why}",
    "lock.released": "{who} released {place}.",
    "lock.reminded": "{holder} still holds {place}, {end}: {reason}",
    "lock.rolled_back_over": "{who} rolls {target} back over the lock of {holder} on {place}, #{number}: {why}",
    "lock.taken_over": "{who} took {place} over from {was}, {end}: {reason}",
    "lock.waits": "{who} waits in line for {place}.",
    "permission.refused": "{who} may not {permission}{on_target}, and was refused ({method} {path}).",
    "passwords.changed": "{who} said that passwords let {whom} in.",
    "person.added": "{who} came in by the link for a new administrator.",
    "person.came": "{user} came in by {provider} for the first time.",
    "person.role_by_group": "A group at a sign-in provider made {user} {role}, who was {old}.",
    "person.role_kept": "{user} stays administrator, though no group says so: without them nobody could administer.",
    "provider.added": "{who} set up signing in by {provider}, which is {issuer}.",
    "provider.changed": "{who} changed signing in by {provider}: {changed_words}.",
    "provider.linked": "{user} came in by {provider} for the first time: a verified mail address led to this account.",
    "provider.mapped": "{who} made the group {group} of {provider} mean {meaning}.",
    "provider.removed": "{who} removed signing in by {provider}.",
    "provider.unlinked": "{who} took from {user} the account at {provider}.",
    "provider.unmapped": "{who} made the group {group} of {provider} mean {meaning} no more.",
    "person.changed_password": "{who} chose a new password.",
    "person.disabled": "{who} disabled {user}.",
    "person.enabled": "{who} enabled {user}.",
    "person.email_changed": "{who} changed the mail address of {user}.",
    "person.link_asked": "Somebody asked for a link by mail to a new password{whose}.",
    "person.link_mailed": "{who} mailed {user} a link to choose a password.",
    "person.invited": "{who} invited {user} as {role}.",
    "person.joined": "{who} accepted the invitation and signed in.",
    "person.link_made": "{who} made a new link for {user} to choose a password.",
    "person.renamed": "{who} wrote the name of {user} as {name}.",
    "person.role_changed": "{who} made {user} {role}, who was {old}.",
    "region.changed": "{who} changed the region {name}.",
    "region.created": "{who} added the region {name}.",
    "region.removed": "{who} removed the region {name}.",
    "reservation.booked": "{who} reserved {place} for {holder}, {when}{weekly_times}: {reason}",
    "reservation.cancelled": "{who} cancelled the reservation of {place} by {holder}, {when}{weekly_times}.",
    "reservation.moved": "{who} moved the reservation of {place} by {holder} from {was} to {when}.",
    "reservation.near": "{held_by} holds {place}, which {holder} has reserved, {when}: {reason}",
    "reservation.soon": "The reservation of {place} by {holder} begins soon, {when}: {reason}",
    "reservation.unused": "Nothing came of the reservation of {place} by {holder}, {when}: {how}.",
    "secrets.resealed": "{who} sealed {anew} stored secrets with the newest key.",
    "setup.applied": "{who} applied a written set-up: {changes} changes.",
    "signed_in": "{who} signed in{by_provider}.",
    "signin.refused": "{provider} let nobody in: {reason}",
    "signed_out": "{who} signed out.",
    "signer.failed": "The Deployer's certificate was not renewed; the one of before ends: {ends}. {reason}",
    "signer.recovered": "The Deployer's certificate is renewed again, until {ends}.",
    "signer.removed": "{who} removed the command that signs the Deployer's key.",
    "signer.set": "{who} has the Deployer's key signed for {principal}; the first certificate ends {ends}.",
    "signin.barred": "Too many {tries} came: further ones are refused for {minutes} minutes.",
    "signin.opened": "{who} let {user} try to sign in again at once.",
    "signin_link.created": "{who} made a link for a new administrator.",
    "target.approvals_changed": "{who} changed the approvals of {target}: {told}.",
    "secret_store.added": "{who} set up the secret store {name}.",
    "secret_store.changed": "{who} changed how the secret store {name} is asked.",
    "secret_store.removed": "{who} removed the secret store {name}.",
    "source.accepted": "{who} let {removed} hosts leave {environment} that {name} no longer names.",
    "source.added": "{who} added {name}, from which hosts of {environment} come.",
    "source.changed": "{who} changed {name}, from which hosts of {environment} come.",
    "source.failed": "{name}, from which hosts of {environment} come, failed. {reason}",
    "source.kept": "{name} was not followed in {environment}. {reason}",
    "source.recovered": "{name}, from which hosts of {environment} come, is followed again.",
    "source.refreshed": "{name} has changed {environment}: {added} hosts added, {changed} changed, {removed} left.",
    "source.removed": "{who} removed the source {name} of {environment}.",
    "target.added": "{who} set up {target} in {root}.",
    "target.changed": "{who} changed {target}: {changed_words}.",
    "target.imported": "{who} imported {target} from Capistrano.",
    "target.left": "{who} left the hosts of {target} to another tool.",
    "target.policy_changed": "{who} changed the policy of {target}: {told}.",
    "target.taken_over": "{who} took over {target} with {deploys} earlier deploys.",
    "target.taken_up": "{who} took the hosts of {target} up again.",
    "tasks.changed": "{who} changed the tasks of {target}.",
    "team.joined": "{who} added {user} to the team {team}.",
    "team.left": "{who} took {user} out of the team {team}.",
    "team.joined_by_group": "A group at a sign-in provider brought {user} into the team {team}.",
    "team.left_by_group": "No group at a sign-in provider keeps {user} in the team {team} any more.",
    "team.made": "{who} made the team {team}.",
    "team.removed": "{who} removed the team {team}.",
    "team.renamed": "{who} renamed the team {old} to {team}.",
    "token.created": "{who} made a token for {user}{named}.",
    "token.revoked": "{who} revoked a token of {user}{named}.",
    "windows.changed": "{who} changed when {name} takes deploys: {told}. Automatic ones outside of that: {outside}.",
    "worker.deaf": "The worker {worker} has heard nothing from the broker for {seconds} s.",
    "worker.hears": "The worker {worker} hears the broker again.",
    "zone.created": "{who} added the zone {name}.",
    "zone.removed": "{who} removed the zone {name}.",
}

_BAD = (
    "failed",
    "partial",
    "unreachable",
    "refused",
    "key_refused",
    "drifted",
    "deaf",
    "flip_refused",
    "quarantined",
    "kept",
    "stopped",
)
_WARN = (
    *("needs_attention", "unknown", "held", "met_lock", "stays_held", "overridden", "taken_over", "rolled_back_over"),
    *("barred", "closed_to_machines", "offered", "reminded", "asked", "near", "overrode", "not_taken"),
)


@dataclass(frozen=True, slots=True)
class Told:
    """`tone`: bad, warn or idle."""

    text: str
    tone: str


class _Facts(dict[str, Any]):
    """What an old event does not know is left out of its sentence."""

    def __missing__(self, name: str) -> str:
        return ""


def tell(event: Event, names: Mapping[str, str] | None = None) -> Told:
    """The sentence of an event. `names`: full names by user name, where they are known."""
    known = names or {}
    facts = _Facts(event.facts if isinstance(event.facts, dict) else {})
    who = known.get(event.actor, event.actor) or THE_DEPLOYER
    endpoint = str(facts["endpoint"])
    target = " / ".join(word for word in (event.application, event.environment, endpoint) if word)
    revision = str(facts["revision"])
    facts |= {
        "who": who,
        "target": target or "a target",
        "on_target": f" on {target}" if target else "",
        "what": " ".join(word for word in (str(facts["ref"]), f"({revision[:8]})" if revision else "") if word),
        "host_or_place": facts["host"] or event.environment,
        "application": event.application,
        "environment": event.environment,
        "changed_words": ", ".join(facts["changed"]) if isinstance(facts["changed"], list) else "",
        "was_secret": f"{', a secret' if facts['secret'] is True else ''}{_lies_in(facts)}",
        "weekly_times": f" and weekly, {facts['times']} times" if facts["times"] not in ("", 1) else "",
        "by_provider": f" by {facts['provider']}" if facts["provider"] else "",
        "named": f" named {facts['name']}" if facts["name"] else "",
        "user": known.get(str(facts["user"]), facts["user"]),
    }
    text = " ".join(_pattern(event.kind, facts).format_map(facts).split())
    return Told(text[: LONGEST - 1] + "…" if len(text) > LONGEST else text, tone_of(event.kind))


def tone_of(kind: str) -> str:
    """How loud an event of this kind is."""
    word = kind.rsplit(".", 1)[-1]
    return "bad" if word in _BAD else "warn" if word in _WARN else "idle"


def _lies_in(facts: Mapping[str, Any]) -> str:
    return f" that lies in {facts['lies_in']}" if facts["lies_in"] else ""


def _pattern(kind: str, facts: Mapping[str, Any]) -> str:
    if kind == "deploy.requested":
        return "{who} " + _BEGINS.get(str(facts["deploy_kind"]), _DEPLOYS)
    if kind == "deploy.waiting":
        return (
            "{who} " + _BEGINS.get(str(facts["deploy_kind"]), _DEPLOYS).removesuffix(".") + ", as soon as it is free."
        )
    # an event of a newer version, or one whose sentence is still to be written, is told by its kind
    return _SENTENCES.get(kind, "{who}: " + kind.replace(".", " ").replace("_", " ") + ".")


def has_sentence(kind: str) -> bool:
    """Whether an event of this kind is told in words of its own."""
    return kind in _SENTENCES or kind in {"deploy.requested", "deploy.waiting"}
