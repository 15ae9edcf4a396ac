from deployments.models.approvals import Approval
from deployments.models.deploys import Deploy, HostRun, Kind, Program, ProgramPhase, Standing, Star, Trigger
from deployments.models.hooks import Check, CheckState, HookDecision, HookDelivery, Word
from deployments.models.logs import LogChunk
from deployments.models.observations import Observation
from deployments.models.releases import Drift, HeldRelease, Placement, Release, ReleaseKind
from deployments.models.workers import Worker

__all__ = [
    "Approval",
    "Check",
    "CheckState",
    "Deploy",
    "Drift",
    "HeldRelease",
    "HookDecision",
    "HookDelivery",
    "HostRun",
    "Kind",
    "LogChunk",
    "Observation",
    "Placement",
    "Program",
    "ProgramPhase",
    "Release",
    "ReleaseKind",
    "Standing",
    "Star",
    "Trigger",
    "Word",
    "Worker",
]
