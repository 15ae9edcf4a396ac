"""Hashed names also within our scripts, so that no browser mixes scripts of two versions."""

from whitenoise.storage import CompressedManifestStaticFilesStorage as Hashed


class HashedStaticFiles(Hashed):  # type: ignore[misc]  # the package carries no types
    # Only in ours: packages ship scripts whose imports lead nowhere, which Django would refuse for all files at once.
    patterns = (*Hashed.patterns, ("js/*.js", Hashed._js_module_import_aggregation_patterns[1]))
