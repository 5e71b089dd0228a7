"""The methods of django-redis-cache, by its README, and what of it must not come back (each was seen in the real one)."""

import asyncio
import logging

import pytest
from conftest import TCP, UNIX
from redis_cache.backends.dummy import RedisDummyCache as AncestorsDummy
from redis_cache_native import (
    DecodeError,
    InvalidArgument,
    LostError,
    RedisCache,
    RedisDummyCache,
    UnreachableError,
    WrongTypeError,
)

NOWHERE = "redis://127.0.0.1:1"


def test_delete_pattern_as_in_the_readme(cache):
    cache.set("news.stories.most_viewed", ["a"])
    cache.set("news.stories.highest_rated", ["b"])
    assert len(cache.get_many(["news.stories.highest_rated", "news.stories.most_viewed"])) == 2
    cache.delete_pattern("news.stories.*")
    assert len(cache.get_many(["news.stories.highest_rated", "news.stories.most_viewed"])) == 0


def test_a_pattern_is_only_the_callers(prefix):
    """`app*` deleted appXX:1:k."""
    glob, other = (RedisCache(TCP, {"KEY_PREFIX": p}) for p in (prefix + "*", prefix + "XX"))
    glob.set("k", 1)
    other.set("k", 1)
    assert glob.delete_pattern("*") == 1
    assert other.get("k") == 1


def test_clear_is_of_a_version_or_of_all_and_never_of_others(cache, raw):
    """It was FLUSHDB."""
    raw.set(cache.key_prefix + "-somebody", 1, ex=60)
    cache.set("a", 1)
    cache.set("a", 1, version=2)
    assert cache.clear(version=2) == 1 and cache.get("a") == 1
    cache.set("a", 1, version=2)
    assert cache.clear() == 2 and raw.exists(cache.key_prefix + "-somebody")


def test_ttl_expire_persist(cache):
    cache.set("a", 1, timeout=100)
    assert cache.ttl("a") == 100
    assert cache.expire("a", 50) is True and cache.ttl("a") == 50
    assert cache.persist("a") is True and cache.ttl("a") is None
    assert cache.persist("a") is True, "it is there, though it had no expiry"
    assert cache.ttl("b") == 0 and cache.persist("b") is False and cache.expire("b", 5) is False
    cache.set("c", 1, timeout=0.3)
    assert cache.ttl("c") == 1, "what is there is not said to be gone"


def test_times_that_are_over(cache):
    """A negative timeout kept the old value, 0.9 s was cut to 0, add(existing, v, 0) deleted, touch() raised."""
    cache.set("a", 1)
    cache.set("a", 2, timeout=-1)
    assert cache.get("a") is None
    cache.set("a", 1, timeout=0.9)
    assert cache.get("a") == 1
    assert cache.add("a", 2, timeout=0) is False and cache.get("a") == 1
    assert cache.touch("a") is True and cache.ttl("a") == 300
    cache.set("a", 1, timeout=10**30)
    assert cache.ttl("a") is None


def test_integers_are_counters_however_they_came(cache):
    cache.set("set", 1)
    assert cache.add("add", 1) and not cache.add("add", 5)
    cache.set_many({"many": 1, "text": "1"})
    assert cache.get_or_set("given", 1) == 1
    assert cache.get_or_set("computed", lambda: 1) == 1
    for key in "set", "add", "many", "given", "computed":
        assert cache.incr(key) == 2 and cache.decr(key, 3) == -1 and cache.get(key) == -1
        assert 290 < cache.ttl(key) <= 300
    with pytest.raises(TypeError):
        cache.incr("text")
    with pytest.raises(ValueError):
        cache.incr("nothing")
    cache.set("most", (1 << 63) - 1)
    with pytest.raises(WrongTypeError):
        cache.incr("most")


def test_values_come_back_as_what_they_were(cache):
    """`12_3` and a line break came back as 123."""
    for value in "12_3\n", "12", b"12", True, False, None, 0, -5, 1 << 63, -(1 << 63), 1.5, "", b"", "é\0", (1, [2]):
        cache.set("a", value)
        assert cache.get("a") == value and type(cache.get("a")) is type(value)
        assert cache.get_many(["a"]) == {"a": value}


def test_turning_compression_on_leaves_old_entries_readable(connect):
    old, new = connect(), connect(OPTIONS={"COMPRESSOR_CLASS": "redis_cache.compressors.ZLibCompressor"})
    old.set("a", "x" * 5000, timeout=100)
    assert new.get("a") == "x" * 5000
    assert new.reinsert_keys() == 1 and new.reinsert_keys() == 0
    assert new.get("a") == "x" * 5000 and new.ttl("a") == 100


def test_reinsert_keys_writes_the_present_pickle_version_and_keeps_lifetimes(connect, raw, prefix):
    """It rewrote nothing, looked at other applications' keys, and lost lifetimes."""
    connect(OPTIONS={"PICKLE_VERSION": 0}).set_many({"a": ["x"], "n": 5}, timeout=100)
    raw.set(prefix + "-somebody", b"not a pickle", ex=60)
    new = connect(OPTIONS={"PICKLE_VERSION": -1})
    assert new.reinsert_keys() == 1
    assert raw.get(f"{prefix}:1:a")[4:6] >= b"\x80\x04" and 98 <= new.ttl("a") <= 100
    assert new.get("a") == ["x"] and new.incr("n") == 6


def test_what_cannot_be_read_is_a_miss_or_an_error(connect, raw, prefix, caplog):
    raw.set(f"{prefix}:1:a", b"no pickle", ex=60)
    cache = connect()
    with caplog.at_level(logging.WARNING, "redis_cache_native"):
        assert cache.get("a", "default") == "default" and cache.get_many(["a"]) == {}
    assert "cannot be read" in caplog.text and "no pickle" not in caplog.text
    with pytest.raises(DecodeError):
        connect(OPTIONS={"on_decode_error": "error"}).get("a")
    assert cache.get_or_set("a", lambda: "new") == "new" and cache.get("a") == "new"


def test_incr_version_moves_value_and_lifetime_on_a_ring(connect):
    """184 of 200 keys were lost."""
    cache = connect([TCP, f"{UNIX}?db=2"])
    cache.set_many({f"k{i}": [i] for i in range(200)}, timeout=100)
    assert all(cache.incr_version(f"k{i}") == 2 for i in range(200))
    assert all(cache.get(f"k{i}", version=2) == [i] for i in range(200))
    assert cache.ttl("k7", version=2) == 100 and cache.get("k7") is None
    assert cache.decr_version("k7", version=2) == 1 and cache.clear() == 200
    with pytest.raises(ValueError):
        cache.incr_version("k7")
    with pytest.raises(InvalidArgument):
        cache.get("a", version="two")


def test_keys_that_are_no_text(cache):
    cache.set(7, "a")
    assert cache.get("7") == "a" and cache.get_many([7]) == {7: "a"} and cache.keys() == ["7"]
    assert cache.get_many(iter([])) == {} and cache.set_many({}) == [] and cache.delete_many([]) is None


def test_a_lock(cache, raw, prefix):
    """Locks ignored the prefix, and never ended."""
    lock = cache.lock("nightly", timeout=20)
    with lock:
        assert lock.owned() and lock.token > 0 and lock.extend(30)
        assert cache.lock("nightly", timeout=20).acquire(blocking=False) is False
        assert cache.lock("nightly", timeout=20, blocking_timeout=0.05).acquire() is False
        assert 20 < raw.ttl(f"{prefix}:lock:nightly") <= 30
    assert not lock.owned()
    with pytest.raises(LostError):
        lock.release()
    endless = cache.lock("endless")
    assert endless.acquire() and raw.ttl(f"{prefix}:lock:endless") > 3000
    raw.delete(f"{prefix}:lock:endless")
    with pytest.raises(LostError):
        endless.release()


def test_a_server_that_is_down_is_an_error_or_a_miss(connect, caplog):
    with pytest.raises(UnreachableError) as caught:
        connect(NOWHERE).get("a")
    assert isinstance(caught.value, ConnectionError) and "127.0.0.1:1" in str(caught.value)
    cache = connect(NOWHERE, OPTIONS={"on_error": "miss"})
    with caplog.at_level(logging.WARNING, "redis_cache_native"):
        assert cache.get("a", 5) == 5 and cache.set("a", 1) and cache.get_many(["a"]) == {} and not cache.delete("a")
        assert cache.get_or_set("a", lambda: "computed") == "computed"
    assert "ERR_IO" in caplog.text


def test_one_shard_that_is_down_takes_its_own_keys_only(connect):
    """Every get_many that touched it raised."""
    cache = connect([TCP, NOWHERE], OPTIONS={"on_error": "miss"})
    keys = [f"k{i}" for i in range(100)]
    cache.set_many(dict.fromkeys(keys, 1))
    assert 20 < len(cache.get_many(keys)) < 80
    loud = connect([TCP, NOWHERE])
    failed = loud.set_many(dict.fromkeys(keys, 1))
    assert 20 < len(failed) < 80
    from redis_cache_native import PartialError

    with pytest.raises(PartialError) as caught:
        loud.get_many(keys)
    assert set(caught.value.errors) == set(failed) and len(caught.value.values) == 100 - len(failed)


def test_the_asynchronous_methods_are_the_same_methods(cache):
    async def all_of_them():
        await cache.aset("n", 1, timeout=50)
        assert await cache.aincr("n", 4) == 5 and await cache.adecr("n") == 4
        assert cache.ttl("n") == 50, "Django's base class would have set it anew"
        assert await cache.aget_or_set("a", lambda: "b") == "b" and await cache.ahas_key("a")
        assert await cache.aset_many({"x": 1}) == [] and await cache.aget_many(["x", "a"]) == {"x": 1, "a": "b"}
        assert await cache.aincr_version("x") == 2 and await cache.adelete_many(["a"]) == 1
        assert await cache.atouch("n", 9) and await cache.aadd("y", 1) and await cache.adelete("y")
        await cache.aclear()
        await cache.aclose()

    asyncio.run(all_of_them())


def test_flush_db_and_ping_by_their_names(connect):
    cache = connect(f"{UNIX}?db=9")
    cache.set("a", 1)
    cache.flush_db()
    assert cache.get("a") is None
    cache.ping()
    with pytest.raises(UnreachableError):
        connect(NOWHERE).ping()


def test_a_dummy_keeps_nothing_and_has_every_method(cache):
    dummy = RedisDummyCache("", {})
    dummy.set("a", 1)
    assert dummy.get("a") is None and dummy.ttl("a") == 0 and dummy.keys() == []
    assert dummy.get_or_set("a", lambda: 2, lock_timeout=1, stale_cache_timeout=1) == 2
    with dummy.lock("a") as lock:
        assert lock.owned()
    methods = {name for one in (cache, AncestorsDummy("", {})) for name in dir(one) if not name.startswith("_")}
    assert {name for name in methods if not hasattr(dummy, name)} <= {"params", "ring", "server"}
