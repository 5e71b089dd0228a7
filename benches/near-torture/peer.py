"""The same with the client-side cache of redis-py, one measure after another, each in a process of its own: one whose
threads raise, or that does not end, has "fails" for a figure. Usage: peer.py PORT SECONDS"""
import os
import random
import subprocess
import sys
import threading
import time
import traceback

import redis
from redis.cache import CacheConfig
from redis.connection import CacheProxyConnection

# It wants Redis 7.4, but sends nothing that 6.0 does not know.
CacheProxyConnection.MIN_ALLOWED_VERSION = "6.0.0"
port, seconds = int(sys.argv[1]), int(sys.argv[2])
near = redis.Redis(port=port, protocol=3, cache_config=CacheConfig(max_size=100_000))
other = redis.Redis(port=port, protocol=3)
over = False


def on_threads(count, work):
    threads = [threading.Thread(target=work, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    return threads


def get(key):
    return int(near.get(key))


def read_on(_):
    while not over:
        get("k")


def stale_after_the_news():
    global over
    other.set("k", 0)
    over = False
    readers = on_threads(3, read_on)
    stale = 0
    for number in range(500 * seconds):
        other.set("k", number)
        time.sleep(0.002)
        stale += get("k") != number
    over = True
    for reader in readers:
        reader.join()
    return stale


def oldest_value():
    global over
    answered, oldest = {}, [0.0]
    other.set("k", 0)
    over = False

    def measure(_):
        while not over:
            began = time.monotonic()
            after = answered.get(get("k") + 1)
            if after is not None:
                oldest[0] = max(oldest[0], began - after)

    readers = on_threads(4, measure)
    ends, number = time.monotonic() + seconds, 0
    while time.monotonic() < ends:
        number += 1
        other.set("k", number)
        answered[number] = time.monotonic()
        time.sleep(0.0002)
    over = True
    for reader in readers:
        reader.join()
    return oldest[0] * 1000


def violations():
    found = [0] * 8

    def write_and_read(me):
        ends, number = time.monotonic() + seconds, 0
        while time.monotonic() < ends:
            number += 1
            near.set(f"own{me}", number)
            found[me] += sum(get(f"own{me}") != number for _ in range(4))

    for thread in on_threads(8, write_and_read):
        thread.join()
    return sum(found)


def hits_a_second(count):
    reads = [0] * 8

    def hit(me):
        ends, own = time.monotonic() + seconds, random.Random(me)
        while time.monotonic() < ends:
            for _ in range(256):
                near.get(f"hot{own.randrange(20_000)}")
            reads[me] += 256

    for thread in on_threads(count, hit):
        thread.join()
    return sum(reads) // seconds


def hits_on(count):
    for number in range(20_000):
        other.set(f"hot{number}", b"x" * 100)
        near.get(f"hot{number}")
    return hits_a_second(count)


def end(failure):
    traceback.print_exception(failure.exc_value)
    os._exit(1)


def by_a_process_of_its_own(measure):
    try:
        told = subprocess.run([sys.executable, *sys.argv[:3], measure], capture_output=True, text=True, timeout=60 + 4 * seconds)
    except subprocess.TimeoutExpired:
        print(f"peer.py: {measure} of redis-py does not end", file=sys.stderr)
        return None
    if told.returncode != 0:
        print(f"peer.py: {measure} of redis-py: {told.stderr.strip().splitlines()[-1]}", file=sys.stderr)
        return None
    return float(told.stdout)


def shown(figure, form="{:.0f}"):
    return "fails" if figure is None else form.format(figure)


MEASURES = {
    "stale_after_the_news": stale_after_the_news,
    "oldest_value": oldest_value,
    "violations": violations,
    "hits_on_1": lambda: hits_on(1),
    "hits_on_8": lambda: hits_on(8),
}
if len(sys.argv) > 3:
    threading.excepthook = end
    print(MEASURES[sys.argv[3]]())
else:
    stale, oldest, broken, one, eight = map(by_a_process_of_its_own, MEASURES)
    ns = None if not one else 1e9 / one
    cells = [shown(stale), shown(oldest, "{:.2f}"), shown(broken), shown(ns), shown(one), shown(eight)]
    print(f"| redis-py {redis.__version__} | {' | '.join(cells)} |")
