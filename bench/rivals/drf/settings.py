"""Django's settings, after its deployment checklist: no debugging, and connections that stay open."""

import os
import secrets
from urllib.parse import unquote, urlsplit

_database = urlsplit(os.environ["DATABASE_URL"])

DEBUG = False
SECRET_KEY = secrets.token_urlsafe()  # nothing is signed with it
ALLOWED_HOSTS = ["127.0.0.1"]
ROOT_URLCONF = "bench.rivals.drf.urls"
WSGI_APPLICATION = "bench.rivals.drf.wsgi.application"
TIME_ZONE = "UTC"
USE_TZ = True
INSTALLED_APPS = ["rest_framework", "rest_framework_json_api", "bench.rivals.drf"]
MIDDLEWARE = ["django.middleware.common.CommonMiddleware"]
DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.postgresql",
        "HOST": _database.hostname,
        "PORT": _database.port,
        "NAME": _database.path.lstrip("/"),
        "USER": unquote(_database.username or ""),
        "PASSWORD": unquote(_database.password or ""),
        "CONN_MAX_AGE": None,
        "OPTIONS": {"sslmode": "disable", "options": "-c search_path=core_api"},
    }
}
# What the documentation of djangorestframework-jsonapi lists, but for pagination, authentication and the browsable API.
REST_FRAMEWORK = {
    "PAGE_SIZE": 20,
    "EXCEPTION_HANDLER": "rest_framework_json_api.exceptions.exception_handler",
    "DEFAULT_PAGINATION_CLASS": "bench.rivals.drf.pagination.Pages",
    "DEFAULT_PARSER_CLASSES": ["rest_framework_json_api.parsers.JSONParser"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework_json_api.renderers.JSONRenderer"],
    "DEFAULT_METADATA_CLASS": "rest_framework_json_api.metadata.JSONAPIMetadata",
    "DEFAULT_FILTER_BACKENDS": ["rest_framework_json_api.filters.QueryParameterValidationFilter"],
    "DEFAULT_AUTHENTICATION_CLASSES": ["bench.rivals.drf.access.TokenAuthentication"],
    "DEFAULT_PERMISSION_CLASSES": ["bench.rivals.drf.access.MayAsk"],
    "UNAUTHENTICATED_USER": None,
}
