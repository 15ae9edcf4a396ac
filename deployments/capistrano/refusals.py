"""Why nothing was taken over, or left.

CapistranoError
├── CannotRead          a file of the configuration is missing, or is no Ruby that we can follow
├── CannotTranslate     the configuration lacks what a target needs, or needs what we do not have
├── HostsSilent         hosts did not answer, or are not trusted yet; `failures` says why, by host
├── HasHistory          the target has deploys of its own already, or its folder belongs to the Deployer
└── StillAtWork         a deploy of the target runs or waits
"""


class CapistranoError(Exception):
    """`str()` is the sentence for every door."""


class CannotRead(CapistranoError):
    pass


class CannotTranslate(CapistranoError):
    pass


class HostsSilent(CapistranoError):
    def __init__(self, failures: dict[str, str]) -> None:
        self.failures = failures
        super().__init__("Nothing was taken over, for not every host told what it has. " + " ".join(failures.values()))


class HasHistory(CapistranoError):
    pass


class StillAtWork(CapistranoError):
    pass
