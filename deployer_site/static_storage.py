"""Hashed names also within our scripts, so that no browser mixes scripts of two versions."""

from whitenoise.storage import CompressedManifestStaticFilesStorage


class HashedStaticFiles(CompressedManifestStaticFilesStorage):  # type: ignore[misc]  # the package carries no types
    support_js_module_import_aggregation = True
