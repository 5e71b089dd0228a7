"""A cache that keeps nothing, for tests and development: Django's own, with the methods that this package has beside."""

from django.core.cache.backends.base import DEFAULT_TIMEOUT
from django.core.cache.backends.dummy import DummyCache


class RedisDummyCache(DummyCache):
    def get_or_set(
        self, key, default, timeout=DEFAULT_TIMEOUT, version=None, *, lock_timeout=None, stale_cache_timeout=None
    ):
        return default() if callable(default) else default

    def ttl(self, key, version=None):
        return 0

    def expire(self, key, timeout, version=None):
        return True

    def persist(self, key, version=None):
        return True

    def clear(self, version=None):
        return 0

    def delete_pattern(self, pattern, version=None):
        return 0

    def keys(self, pattern="*", version=None):
        return []

    def iter_keys(self, pattern="*", version=None):
        return iter(())

    def reinsert_keys(self):
        return 0

    def lock(self, key, timeout=None, sleep=None, blocking_timeout=None, thread_local=True):
        return _NoLock()

    def flush_db(self):
        pass

    def ping(self):
        pass

    def stats(self):
        return {}


class _NoLock:
    """Nobody else has it, ever."""

    token = 1

    def acquire(self, blocking=True, blocking_timeout=None):
        return True

    def extend(self, additional_time):
        return True

    def owned(self):
        return True

    def release(self):
        pass

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass
