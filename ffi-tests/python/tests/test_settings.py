"""The settings of django-redis-cache as its README has them, Django's, and ours by name."""

import copy
import datetime
import os
import pickle

import pytest
from conftest import TCP, UNIX
from django.core.exceptions import ImproperlyConfigured
from redis_cache.backends.single import RedisCache as Ancestor
from redis_cache_native import AuthError, ConfigError, RedisCache, ShardedRedisCache

HOST = f"127.0.0.1:{os.environ['REDIS_CACHE_TEST_PORT']}"
README = {
    "DB": 1,
    "PARSER_CLASS": "redis.connection.HiredisParser",
    "CONNECTION_POOL_CLASS": "redis.BlockingConnectionPool",
    "CONNECTION_POOL_CLASS_KWARGS": {"max_connections": 50, "timeout": 20},
    "MAX_CONNECTIONS": 1000,
    "PICKLE_VERSION": -1,
}


def test_the_readme_over_tcp(connect):
    options = copy.deepcopy(README)
    cache = connect([HOST], OPTIONS=options)
    assert cache.set("a", {"b": [1, 2.5, None]})
    assert cache.get("a") == {"b": [1, 2.5, None]}
    assert options == README, "the settings are left as they are"


def test_the_readme_over_a_unix_socket(connect, raw, prefix):
    cache = connect(UNIX, OPTIONS={"DB": 1, "PARSER_CLASS": "redis.connection.HiredisParser", "PICKLE_VERSION": 2})
    cache.set("a", "text")
    stored = raw.get(f"{prefix}:1:a")
    assert stored[4:] == pickle.dumps("text", 2), "behind the header of the library"


def test_the_readme_with_a_master(connect, raw, prefix):
    """The ancestor wanted MASTER_CACHE spelled as its LOCATION. (One server in two spellings stands for both.)"""
    cache = connect([HOST, UNIX], OPTIONS={"DB": 1, "MASTER_CACHE": "redis://" + HOST})
    cache.set("a", 1)
    assert {cache.get("a") for _ in range(20)} == {1}


def test_several_without_a_master_are_a_ring(connect):
    """The ancestor wrote to one and read from any: 198 of 300 reads missed."""
    for cls in RedisCache, ShardedRedisCache:
        cache = connect([HOST, f"{UNIX}?db=2"], cls=cls)
        cache.set_many({f"k{i}": i for i in range(300)})
        assert cache.get_many(f"k{i}" for i in range(300)) == {f"k{i}": i for i in range(300)}
        assert all(cache.get(f"k{i}") == i for i in range(300))
        assert cache.clear() == 300


def test_the_database_is_the_ancestors(connect, raw, prefix):
    connect(HOST).set("default", 1)
    connect(f"redis://{HOST}/1", OPTIONS={"DB": 3}).set("path", 1)
    connect(f"redis://{HOST}?db=1", OPTIONS={"DB": 3}).set("query", 1)
    assert len(raw.keys(f"{prefix}:1:*")) == 3


@pytest.mark.parametrize("serializer", ["Pickle", "JSON"])
@pytest.mark.parametrize("compressor", ["Noop", "ZLib", "BZip2"])
def test_serializers_and_compressors_read_what_the_ancestor_wrote(connect, prefix, serializer, compressor):
    options = {
        "SERIALIZER_CLASS": f"redis_cache.serializers.{serializer}Serializer",
        "COMPRESSOR_CLASS": f"redis_cache.compressors.{compressor}Compressor",
        "COMPRESSOR_CLASS_KWARGS": {"level": 9} if compressor == "ZLib" else {},
    }
    values = {"list": [1, "two", None], "text": "12", "n": 7, "big": 1 << 80, "true": True, "long": "x" * 9000}
    ancestor = Ancestor(TCP, {"KEY_PREFIX": prefix, "OPTIONS": copy.deepcopy(options)})
    ancestor.set_many(values)
    ours = connect(OPTIONS=options)
    assert ours.get_many(values) == values
    shared = connect(OPTIONS={**options, "layout": "plain"})
    shared.set_many({"ours" + key: value for key, value in values.items()})
    # Its reader takes b"12_3\n" and the like for integers; what is here it reads right.
    assert {key: ancestor.get("ours" + key) for key in values} == values


class Upper:
    def serialize(self, value):
        return value.upper().encode()

    def deserialize(self, value):
        return value.decode()


def test_a_serializer_of_ones_own(connect):
    cache = connect(OPTIONS={"SERIALIZER_CLASS": f"{__name__}.Upper"})
    cache.set("a", "text")
    assert cache.get("a") == "TEXT"
    with pytest.raises(ImproperlyConfigured, match="no.such.Class"):
        connect(OPTIONS={"SERIALIZER_CLASS": "no.such.Class"})


def test_djangos_own(connect, raw):
    cache = connect(TIMEOUT=50, VERSION=7, KEY_FUNCTION=lambda key, prefix, version: f"{version}/{prefix}/{key}")
    cache.set("a", "b")
    (key,) = raw.keys(f"7/{cache.key_prefix}/*")
    assert key.endswith(b"/a") and 0 < raw.ttl(key) <= 50
    assert cache.incr_version("a") == 8 and cache.get("a", version=8) == "b"
    assert cache.delete_pattern("a*", version=8) == 1
    cache.set("a", "b", None)
    assert cache.ttl("a") is None and cache.clear() == 1


def test_a_key_function_may_be_a_method(connect):
    class Mine(RedisCache):
        def make_key(self, key, version=None):
            return f"mine/{self.key_prefix}/{key}"

    cache = connect(cls=Mine)
    cache.set("a", 1)
    assert cache.keys() == [f"mine/{cache.key_prefix}/a"] and connect(cls=Mine).get("a") == 1


def test_ours_by_name(connect):
    cache = connect(OPTIONS={"stale": datetime.timedelta(minutes=1), "wait": "2s", "early": 0, "on_error": "miss"})
    assert cache.get_or_set("a", lambda: "b") == "b"
    with pytest.raises(ConfigError, match="did you mean `stale`"):
        connect(OPTIONS={"stal": "1m"})
    with pytest.raises(ImproperlyConfigured, match="STALE"):
        connect(OPTIONS={"STALE": "1m"})
    with pytest.raises(ImproperlyConfigured, match="KEY_PREFIX"):
        connect(OPTIONS={"prefix": "app"})
    with pytest.raises(ImproperlyConfigured, match="max_conections"):
        connect(OPTIONS={"CONNECTION_POOL_CLASS_KWARGS": {"max_conections": 1}})


def test_in_the_query_of_a_location(connect):
    cache = connect(TCP + "?stale=1m&early=0")
    assert cache.get_or_set("a", lambda: "b") == "b"
    assert cache.add("n", 1) and cache.incr("n") == 2, "integers go by a client that knows no `stale`"


@pytest.fixture
def user(raw):
    """One with a password that has a comma and a per cent sign in it."""
    raw.execute_command("ACL", "SETUSER", "tester", "reset", "on", ">ya,da%41", "~*", "&*", "+@all")
    yield "tester"
    raw.execute_command("ACL", "DELUSER", "tester")


def test_two_caches_of_one_server_have_passwords_of_their_own(connect, user):
    """The ancestor's registry of pools knows host, port and database only, and it drops user names."""
    right = connect(OPTIONS={"username": user, "PASSWORD": "ya,da%41"})
    right.set("a", 1)
    with pytest.raises(AuthError):
        connect(OPTIONS={"username": user, "PASSWORD": "wrong"}).get("a")
    assert right.get("a") == 1


def test_passwords_in_locations(connect, user):
    """A comma split the location, and per cent signs were sent as they stood."""
    assert connect([f"redis://{user}:ya,da%2541@{HOST}/1"]).set("a", 1)
    with pytest.raises(AuthError):
        connect([f"redis://{user}:ya,da%41@{HOST}/1"]).get("a")


def test_caches_of_the_same_settings_share_a_client(connect):
    connect().set("a", 1)
    before = connect().stats()
    connect().get("a")
    assert connect().stats()["hits"] == before["hits"] + 1


def test_without_a_server(connect):
    for location in "memory://", "memory://of-my-own":
        cache = connect(location)
        cache.set("a", 1)
        assert cache.add("n", 1) and cache.incr("n") == 2 and connect(location).get("a") == 1
        cache.clear()


def test_pickled_caches_are_the_same_caches(cache):
    cache.set("a", 1)
    assert pickle.loads(pickle.dumps(cache)).get("a") == 1
