"""How static files are stored: hashed and compressed, and so that a module finds its hashed neighbours."""

from whitenoise.storage import CompressedManifestStaticFilesStorage


class StaticStorage(CompressedManifestStaticFilesStorage):
    support_js_module_import_aggregation = True
