"""Django's own BaseCacheTests, from its source package, against this backend.
python django_suite.py SOURCES LAYOUT LOCATION..."""

import sys
from pathlib import Path

import django
from django.conf import settings

sources, layout, locations = Path(sys.argv[1]), sys.argv[2], sys.argv[3:]
sys.path.insert(0, str(sources / "tests"))

BACKEND = "redis_cache_native.RedisCache"
# What a cache of Redis has no use for: it never culls.
CULLING = {"cull", "zero_cull"}

settings.configure(
    CACHES={"default": {"BACKEND": BACKEND, "LOCATION": "memory://"}},
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}},
    DEFAULT_AUTO_FIELD="django.db.models.AutoField",
    INSTALLED_APPS=["cache"],
    ROOT_URLCONF="cache.tests",
    SECRET_KEY="of the tests",
    USE_TZ=False,
)
django.setup()

from cache import tests  # noqa: E402
from django.test import TestCase, override_settings  # noqa: E402
from django.test.runner import DiscoverRunner  # noqa: E402


base = {"BACKEND": BACKEND, "LOCATION": locations}
caches = tests.caches_setting_for_tests(base=base, exclude=CULLING, OPTIONS={"layout": layout})


@override_settings(CACHES=caches)
class NativeCacheTests(tests.BaseCacheTests, TestCase):
    pass


runner = DiscoverRunner(verbosity=1)
runner.setup_test_environment()
databases = runner.setup_databases()
result = runner.run_suite(runner.test_loader.loadTestsFromTestCase(NativeCacheTests))
runner.teardown_databases(databases)
sys.exit(not result.wasSuccessful())
