"""Doing the work: deploys, releases, host runs, steps, logs."""
