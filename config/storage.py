"""How static files are stored: hashed and compressed, and so that a module finds its hashed neighbours."""

from whitenoise.storage import CompressedManifestStaticFilesStorage


class StaticStorage(CompressedManifestStaticFilesStorage):
    # Only in our own modules: comments of packages speak of imports that are not there.
    _imports = CompressedManifestStaticFilesStorage._js_module_import_aggregation_patterns[1]  # type: ignore[attr-defined]
    patterns = (
        *CompressedManifestStaticFilesStorage.patterns,
        ("touchstone/*.js", _imports),
        ("mturk/crowd/*.js", _imports),
    )
