"""The REST API: thin doors onto the verbs of deployments and environments, for scripts, CI and the command line."""
