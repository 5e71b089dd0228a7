"""What the tests share: a server (from `server.sh with`), a Django without a project, and a fresh prefix for each test."""

import itertools
import os

import django
import pytest
from django.conf import settings

settings.configure(USE_TZ=True)
django.setup()

TCP = f"redis://127.0.0.1:{os.environ['REDIS_CACHE_TEST_PORT']}/1"
UNIX = os.environ["REDIS_CACHE_TEST_SOCKET"]

_numbers = itertools.count(1)


@pytest.fixture
def prefix():
    """One that nobody else has, in this run."""
    return f"t{os.getpid()}x{next(_numbers)}"


@pytest.fixture
def connect(prefix):
    """Makes a cache with a prefix of its own: `connect(LOCATION, OPTIONS={...})`."""
    from redis_cache_native import RedisCache

    def make(location=TCP, cls=RedisCache, **params):
        return cls(location, {"KEY_PREFIX": prefix, **params})

    return make


@pytest.fixture
def cache(connect):
    return connect()


@pytest.fixture
def raw():
    """The server itself, past every cache."""
    import redis

    return redis.Redis(unix_socket_path=UNIX, db=1)
