"""The demo: a fleet of SSH hosts in one process, and the repositories of two applications to deploy to it."""
