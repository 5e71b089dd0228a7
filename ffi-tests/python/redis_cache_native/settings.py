"""What Django's settings say, in the words of the library: its locations and its options by name."""

import datetime
import re

from django.core.exceptions import ImproperlyConfigured

# Settings of redis-py's connections and pools that mean the same here, times in seconds. None is redis-py's "never",
# which no call has here: the default stays.
_OF_REDIS_PY = {
    "max_connections": "max_connections",
    "timeout": "pool_timeout",
    "socket_timeout": "timeout",
    "socket_connect_timeout": "connect_timeout",
    "username": "username",
    "client_name": "client_name",
    "ssl_ca_certs": "tls_ca",
    "ssl_certfile": "tls_cert",
    "ssl_keyfile": "tls_key",
}
# Those that have nothing to act upon: there is one way of connecting, of keeping and of checking connections.
_WITHOUT_EFFECT = {
    "socket_keepalive",
    "socket_keepalive_options",
    "socket_read_size",
    "socket_type",
    "retry_on_timeout",
    "health_check_interval",
    "encoding",
    "encoding_errors",
    "decode_responses",
    "queue_class",
    "connection_class",
    "parser_class",
}
# Those that Django or the ancestor has for other parts of a cache, or that have no effect: PARSER_CLASS and
# CONNECTION_POOL_CLASS name classes of redis-py.
_ELSEWHERE = {
    "PICKLE_VERSION",
    "SERIALIZER_CLASS",
    "SERIALIZER_CLASS_KWARGS",
    "COMPRESSOR_CLASS",
    "COMPRESSOR_CLASS_KWARGS",
    "PARSER_CLASS",
    "CONNECTION_POOL_CLASS",
    "MAX_ENTRIES",
    "CULL_FREQUENCY",
}


def locations(location):
    """The locations: a string is a comma list, as everywhere; each item of a list is one, commas and all."""
    if isinstance(location, str):
        location = [part.strip() for part in location.split(",") if part.strip()]
    try:
        places = tuple(part.replace(",", "%2C") for part in location)
    except (TypeError, AttributeError):
        raise ImproperlyConfigured("LOCATION is a string or a list of strings") from None
    # Without a name each client would have a store of its own, and there is a client for each thread's settings.
    return tuple("memory://default" + place[9:] if re.match(r"memory://($|\?)", place) else place for place in places)


def options(params, places, ring):
    """The options of the library. `ring` is the one that several servers without a MASTER_CACHE make."""
    given = params.get("OPTIONS") or {}
    queries = "&".join(place.partition("?")[2] for place in places)
    several = len(places) > 1 and "topology=" not in queries and "primary=" not in queries
    is_cluster = given.get("topology") == "cluster" or "topology=cluster" in queries
    found = {}
    # The ancestor's database is 1 where nothing else is said; a cluster has none but 0.
    db = params.get("db", given.get("DB", None if is_cluster else 1))
    if db is not None:
        found["db"] = text("DB", db)
    password = params.get("password", given.get("PASSWORD"))
    if password:
        found["password"] = password
    if given.get("MAX_CONNECTIONS") is not None:
        found["max_connections"] = text("MAX_CONNECTIONS", given["MAX_CONNECTIONS"])
    pool = dict(given.get("CONNECTION_POOL_CLASS_KWARGS") or {})
    for name in ("SOCKET_TIMEOUT", "SOCKET_CONNECT_TIMEOUT"):
        pool.setdefault(name.lower(), given.get(name))
    for name, value in pool.items():
        if name in _OF_REDIS_PY and value is not None:
            span = name.endswith("timeout")
            found[_OF_REDIS_PY[name]] = f"{milliseconds(float(value))}ms" if span else text(name, value)
        elif name not in _OF_REDIS_PY and name not in _WITHOUT_EFFECT:
            raise ImproperlyConfigured(f"CONNECTION_POOL_CLASS_KWARGS: {name!r} is not known")
    if given.get("MASTER_CACHE"):
        if several:
            # That is what the ancestor's users have replicas for.
            found.update(primary=given["MASTER_CACHE"], read_from="any")
    elif several and given.get("topology", "ring") == "ring" and "primary" not in given and "ring=" not in queries:
        found["ring"] = ring
    for name, value in given.items():
        if name in ("prefix", "version", "ttl"):
            raise ImproperlyConfigured(f"OPTIONS: {name!r} is KEY_PREFIX, VERSION or TIMEOUT in Django's settings")
        if name == name.lower():
            found[name] = text(name, value)
        elif name not in _ELSEWHERE and name not in _OF_THE_ANCESTOR:
            raise ImproperlyConfigured(f"OPTIONS: {name!r} is not known")
    return found


_OF_THE_ANCESTOR = {
    "DB",
    "PASSWORD",
    "MASTER_CACHE",
    "MAX_CONNECTIONS",
    "SOCKET_TIMEOUT",
    "SOCKET_CONNECT_TIMEOUT",
    "CONNECTION_POOL_CLASS_KWARGS",
}


def text(name, value):
    """A value as the library reads it: `timedelta(minutes=1)` is "60000ms"."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, datetime.timedelta):
        return f"{milliseconds(value.total_seconds())}ms"
    if isinstance(value, (str, int, float)):
        return str(value)
    raise ImproperlyConfigured(f"OPTIONS: {name!r} is text, a number, a bool or a timedelta, not {value!r}")


def milliseconds(seconds):
    """A timeout of Django in whole milliseconds, rounded up; 0 for what is over."""
    # Far beyond what the library takes for "for ever".
    if seconds >= 1 << 52:
        return 1 << 62
    return max(0, -int(-seconds * 1000 // 1))


def unlike_values(options):
    """The options without those that say how values are written, which integers are not."""
    return {name: value for name, value in options.items() if not _OF_VALUES.fullmatch(name)}


def without_values(location):
    """The same for the query of a location."""
    front, mark, query = location.partition("?")
    kept = [part for part in query.split("&") if not _OF_VALUES.fullmatch(part.partition("=")[0])]
    return front + mark + "&".join(kept) if any(kept) else front


_OF_VALUES = re.compile("stale|codec|layout|compressor|compress_min|compress_level|near.*")
