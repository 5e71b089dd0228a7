"""get_or_set: one load among threads and processes, and what a function that raises does."""

import logging
import os
import threading
import time

import pytest
from redis_cache_native import BusyError, CallbackError


class Mine(Exception):
    pass


def fail():
    raise Mine("of my own")


def gather(count, work):
    """What `work` returned or raised, in so many threads at once."""
    results, barrier = [], threading.Barrier(count)

    def run():
        barrier.wait()
        try:
            results.append(work())
        except BaseException as error:
            results.append(error)

    threads = [threading.Thread(target=run) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(results) == count
    return results


def test_twenty_cold_threads_load_once(connect):
    """They loaded once, and 19 of them got None."""
    loads = []

    def load():
        time.sleep(0.2)
        loads.append(1)
        return {"a": "value"}

    # As Django does it: a backend for each thread.
    assert gather(20, lambda: connect().get_or_set("a", load)) == [{"a": "value"}] * 20
    assert len(loads) == 1


def test_what_the_function_raises_is_raised_and_nothing_is_stored(cache):
    with pytest.raises(Mine, match="of my own") as caught:
        cache.get_or_set("a", fail)
    assert caught.traceback[-1].name == "fail", "where it was raised can be seen"
    assert cache.get("a") is None
    assert cache.get_or_set("a", lambda: "then") == "then"


@pytest.mark.parametrize("kind", [KeyboardInterrupt, SystemExit, GeneratorExit])
def test_what_ends_a_program_ends_it(cache, kind, capfd):
    def leave():
        raise kind()

    with pytest.raises(kind):
        cache.get_or_set("a", leave)
    assert cache.get("a") is None
    assert capfd.readouterr().err == "", "cffi printed nothing"


def test_those_who_waited_hear_of_it(connect):
    def slow():
        time.sleep(0.3)
        fail()

    results = gather(5, lambda: connect().get_or_set("a", slow))
    kinds = {type(result) for result in results}
    assert Mine in kinds and kinds <= {Mine, CallbackError}
    assert all("of my own" in str(result) for result in results)


def test_an_old_value_is_served_when_the_function_raises(connect, caplog):
    """A loader's error hid the stale value at hand."""
    cache = connect(OPTIONS={"stale": "1m", "early": 0})
    cache.get_or_set("a", lambda: "old", timeout=0.05)
    time.sleep(0.1)
    with caplog.at_level(logging.WARNING, "redis_cache_native"):
        assert cache.get_or_set("a", fail) == "old"
    assert "of my own" in caplog.text


def test_an_old_value_is_served_while_one_renews_it(connect):
    cache = connect(OPTIONS={"early": 0})
    assert cache.get_or_set("a", lambda: "old", timeout=0.05, stale_cache_timeout=60, lock_timeout=10) == "old"
    time.sleep(0.1)
    loading = threading.Event()

    def load():
        loading.set()
        time.sleep(0.5)
        return "new"

    ask = lambda: connect().get_or_set("a", load, 60, stale_cache_timeout=60, lock_timeout=10)  # noqa: E731
    results = []
    thread = threading.Thread(target=lambda: results.append(ask()))
    thread.start()
    assert loading.wait(20)
    assert ask() == "old"
    thread.join()
    assert results == ["new"] and cache.get("a") == "new"


def test_nothing_but_the_key_is_left_behind(cache, raw):
    """`__fresh__` outlived a delete, and callers got None."""
    cache.get_or_set("a", lambda: "b", stale_cache_timeout=60)
    assert raw.keys(f"*{cache.key_prefix}*") == [f"{cache.key_prefix}:1:a".encode()]
    cache.delete("a")
    assert cache.get_or_set("a", lambda: "c", stale_cache_timeout=60) == "c"


def test_a_delete_during_the_load_is_not_undone(cache):
    def load():
        cache.delete("a")
        return "loaded before"

    assert cache.get_or_set("a", load) == "loaded before"
    assert cache.get("a") is None


def test_none_is_a_value(cache):
    loads = []
    for _ in range(2):
        assert cache.get_or_set("a", lambda: loads.append(1)) is None
    assert len(loads) == 1 and cache.get("a", 5) is None


def test_a_wait_that_is_over_can_be_an_error(connect):
    options = {"wait": "100ms", "on_wait_timeout": "busy"}
    # Another client, as of another process: `client_name` tells them apart.
    holder = connect(OPTIONS={**options, "client_name": "another"})

    def load():
        with pytest.raises(BusyError):
            connect(OPTIONS=options).get_or_set("a", lambda: "mine")
        return "theirs"

    assert holder.get_or_set("a", load) == "theirs"


def test_loads_within_loads(cache):
    assert cache.get_or_set("a", lambda: cache.get_or_set("b", lambda: 1) + 1) == 2
    with pytest.raises(ValueError):
        cache.get_or_set("c", lambda: cache.get_or_set("c", lambda: 1))


def test_counters_that_a_function_made_lose_nothing(connect):
    cache = connect()
    cache.get_or_set("n", lambda: 0)
    results = gather(8, lambda: [connect().incr("n") for _ in range(20)])
    assert sorted(sum(results, [])) == list(range(1, 161))


def test_threads_share_a_cache(connect):
    """Every thread with keys of its own and with common ones, over a pool that is smaller than they are many."""
    options = {"CONNECTION_POOL_CLASS_KWARGS": {"max_connections": 4, "timeout": 60}}
    connect(OPTIONS=options).set("n", 0)

    def work():
        cache, own = connect(OPTIONS=options), str(threading.get_ident())
        for i in range(100):
            cache.set(own, [own, i])
            assert cache.get(own) == [own, i]
            assert cache.get_many([own, "none"]) == {own: [own, i]}
            cache.incr("n")
        return cache.stats()["connections_open"]

    results = gather(16, work)
    assert all(isinstance(result, int) and result <= 4 for result in results), results
    assert connect(OPTIONS=options).get("n") == 1600


def test_a_child_goes_on_with_the_caches_of_its_parent(connect):
    cache = connect()
    cache.set("n", 0)
    children = []
    for _ in range(4):
        child = os.fork()
        if child == 0:
            status = 1
            try:
                for _ in range(50):
                    cache.incr("n")
                status = 0 if connect().get_or_set("a", lambda: "b") == "b" else 2
            finally:
                os._exit(status)
        children.append(child)
    for _ in range(50):
        cache.incr("n")
    assert [os.waitpid(child, 0)[1] for child in children] == [0] * 4
    assert cache.get("n") == 250
