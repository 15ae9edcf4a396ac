"""Variables and secrets in layers: what each host of a target gets, who set it, and every change of it."""
