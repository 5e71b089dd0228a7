"""This backend beside others that Django programs use, on the server of `server.sh with`: calls a second and the CPU time of
a call, by one thread and by eight. Figures of one machine, to be compared with each other only."""

import os
import threading
import time

import django
from django.conf import settings

SERVER = f"redis://127.0.0.1:{os.environ['REDIS_CACHE_TEST_PORT']}/1"
BACKENDS = {
    "redis_cache_native": "redis_cache_native.RedisCache",
    "Django's own": "django.core.cache.backends.redis.RedisCache",
    "django-redis": "django_redis.cache.RedisCache",
    "django-redis-cache": "redis_cache.RedisCache",
}
SECONDS = 1.0

settings.configure(
    CACHES={
        "default": {"BACKEND": "django.core.cache.backends.dummy.DummyCache"},
        **{name: {"BACKEND": path, "LOCATION": SERVER, "KEY_PREFIX": path[:12]} for name, path in BACKENDS.items()},
    }
)
django.setup()

from django.core.cache import caches  # noqa: E402

USER = {"id": 7, "name": "Ada", "email": "ada@example.org", "groups": ["staff", "editors"]}
KEYS = [f"user:{i}" for i in range(100)]


def get(cache):
    assert cache.get("user") is not None


def set_(cache):
    cache.set("user", USER, 300)


def get_many(cache):
    assert len(cache.get_many(KEYS)) == 100


def get_or_set(cache):
    cache.get_or_set("front", lambda: USER, 300)


def measure(name, work, threads):
    """Calls a second of all threads together, and microseconds of CPU a call."""
    counts = [0] * threads

    def run(index):
        cache, end = caches[name], time.perf_counter() + SECONDS
        while time.perf_counter() < end:
            for _ in range(10):
                work(cache)
            counts[index] += 10

    work(caches[name])
    running = [threading.Thread(target=run, args=(index,)) for index in range(threads)]
    began, spent = time.perf_counter(), time.process_time()
    for thread in running:
        thread.start()
    for thread in running:
        thread.join()
    took, spent = time.perf_counter() - began, time.process_time() - spent
    return sum(counts) / took, spent / sum(counts) * 1e6


for name in BACKENDS:
    caches[name].set("user", USER, 300)
    caches[name].set_many(dict.fromkeys(KEYS, USER), 300)
print(f"{'calls/s (us of CPU a call)':28}" + "".join(f"{name:>22}" for name in BACKENDS))
for work in get, set_, get_many, get_or_set:
    for threads in 1, 8:
        line = f"{work.__name__.strip('_')}, {threads} thread{'s' if threads > 1 else ''}"
        cells = (f"{rate:,.0f} ({cost:.0f})" for rate, cost in (measure(name, work, threads) for name in BACKENDS))
        print(f"{line:28}" + "".join(f"{cell:>22}" for cell in cells), flush=True)
