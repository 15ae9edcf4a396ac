"""The kinds of things, in the order in which they are made: each may name what comes before it."""

from deployments.written.section import Section
from deployments.written.sections.announcements import Channels
from deployments.written.sections.applications import Applications
from deployments.written.sections.configuration import Configuration
from deployments.written.sections.environments import Environments
from deployments.written.sections.gates import Approvals, Freezes, Policies
from deployments.written.sections.hosts import Gateways, Hosts, Regions
from deployments.written.sections.outside import GitHosts, HostAuthorities, Sources, Stores
from deployments.written.sections.people import People
from deployments.written.sections.permissions import Everyone, Grants, Teams
from deployments.written.sections.sign_in import Providers
from deployments.written.sections.targets import Targets

SECTIONS: tuple[Section, ...] = (
    Regions(), Hosts(), Gateways(), Environments(), Sources(), GitHosts(), HostAuthorities(), Applications(),
    Targets(), Stores(), Configuration(), People(), Teams(), Everyone(), Grants(), Approvals(), Policies(), Freezes(),
    Channels(), Providers(),
)  # fmt: skip
