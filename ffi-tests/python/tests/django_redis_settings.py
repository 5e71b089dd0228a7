"""The settings of django-redis' tests, with this backend in the place of theirs. Some look at what client is in use
before they begin, to leave themselves out."""

import os
import types

from redis_cache_native import RedisCache


class ForDjangoRedis(RedisCache):
    client = types.SimpleNamespace(_serializer=None)


_HOST = f"redis://127.0.0.1:{os.environ['REDIS_CACHE_TEST_PORT']}"
_CACHE = {"BACKEND": "django_redis_settings.ForDjangoRedis", "LOCATION": _HOST + "?db=6"}

SECRET_KEY = "of the tests"
CACHES = {
    "default": _CACHE,
    "doesnotexist": {**_CACHE, "LOCATION": "redis://127.0.0.1:1"},
    "sample": _CACHE,
    "with_prefix": {**_CACHE, "KEY_PREFIX": "test-prefix"},
}
INSTALLED_APPS = ["django.contrib.auth", "django.contrib.contenttypes", "django.contrib.sessions"]
USE_TZ = False
