"""The same with the client-side cache of redis-py. Usage: peer.py PORT SECONDS"""
import random
import sys
import threading
import time

import redis
from redis.cache import CacheConfig

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


try:
    near.ping()
except redis.ConnectionError as refusal:
    sys.exit(print(f"peer.py: redis-py is left out: {refusal}", file=sys.stderr))
stale, oldest, broken = stale_after_the_news(), oldest_value(), violations()
for number in range(20_000):
    other.set(f"hot{number}", b"x" * 100)
    near.get(f"hot{number}")
one, eight = hits_a_second(1), hits_a_second(8)
print(f"| redis-py {redis.__version__} | {stale} | {oldest:.2f} | {broken} | {10**9 // one} | {one} | {eight} |")
