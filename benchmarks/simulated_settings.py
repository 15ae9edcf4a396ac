"""The real settings, but hosts are simulated: for the benchmark of planning and bookkeeping alone."""

from deployer_site.settings import *  # noqa: F403

HOST_TRANSPORT = "benchmarks.simulated_hosts.program"
