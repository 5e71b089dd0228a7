"""The backends of Django. A method makes the key, calls the library and turns its answer into what Django or the ancestor
promises; what several of them need stands at the end."""

from asgiref.sync import sync_to_async
from django.core.cache.backends.base import DEFAULT_TIMEOUT, BaseCache, default_key_func

from . import clients, settings, values
from .errors import DecodeError, PartialError
from .library import BUSY, FOREVER, NOT_FOUND, OK, PARTIAL, STALE, WRONG_TYPE, check, fault, ffi, lib, take
from .lock import Lock

_MISSING = object()
_SLICE = "redis_cache_slice *"


class RedisCache(BaseCache):
    """One server; several with MASTER_CACHE are a primary and its replicas, several without are a ring."""

    ring = "redis_cache"

    def __init__(self, server, params):
        super().__init__(params)
        self.server, self.params = server, params
        given = params.get("OPTIONS") or {}
        self._locations = settings.locations(server)
        self._options = settings.options(params, self._locations, self.ring)
        kwargs = dict(given.get("SERIALIZER_CLASS_KWARGS") or {})
        serializer = values.named(given.get("SERIALIZER_CLASS"), "redis_cache.serializers.PickleSerializer")
        if serializer is values.PickleSerializer:
            kwargs.setdefault("pickle_version", int(given.get("PICKLE_VERSION", -1)))
        compressor = values.named(given.get("COMPRESSOR_CLASS"), "redis_cache.compressors.NoopCompressor")
        self._coding = values.Coding(serializer(**kwargs), compressor(**(given.get("COMPRESSOR_CLASS_KWARGS") or {})))
        self._views = {}
        self._view()  # what is wrong with the settings is said here; there is no network in it

    def __getstate__(self):
        return {"server": self.server, "params": self.params}

    def __setstate__(self, state):
        self.__init__(**state)

    # One key.

    def get(self, key, default=None, version=None):
        view, key = self._at(key, version)
        out = ffi.new("redis_cache_bytes *")
        if check(lib.redis_cache_get(view, key, len(key), out)) == NOT_FOUND:
            return default
        return self._decoded(take(out), default)

    def set(self, key, value, timeout=DEFAULT_TIMEOUT, version=None):
        view, key = self._at(key, version)
        data, is_integer = self._coding.encode(value)
        if is_integer:
            check(lib.redis_cache_set_int(view, key, len(key), value, self._ttl(timeout)))
        else:
            check(lib.redis_cache_set(view, key, len(key), data, len(data), self._ttl(timeout)))
        return True

    def add(self, key, value, timeout=DEFAULT_TIMEOUT, version=None):
        view, key = self._at(key, version)
        data, is_integer = self._coding.encode(value)
        view = self._view(version, integers=True) if is_integer else view
        return check(lib.redis_cache_add(view, key, len(key), data, len(data), self._ttl(timeout))) == OK

    def delete(self, key, version=None):
        view, key = self._at(key, version)
        return check(lib.redis_cache_delete(view, key, len(key))) == OK

    def has_key(self, key, version=None):
        view, key = self._at(key, version)
        return check(lib.redis_cache_has_key(view, key, len(key))) == OK

    def incr(self, key, delta=1, version=None):
        view, name = self._at(key, version)
        out = ffi.new("int64_t *")
        status = lib.redis_cache_incr(view, name, len(name), delta, out)
        if status == WRONG_TYPE:
            status = self._incr_value(view, name, delta, out)
        if check(status) == NOT_FOUND:
            raise ValueError(f"Key '{key}' not found")
        return out[0]

    def touch(self, key, timeout=DEFAULT_TIMEOUT, version=None):
        view, key = self._at(key, version)
        return check(lib.redis_cache_touch(view, key, len(key), self._ttl(timeout))) == OK

    def expire(self, key, timeout, version=None):
        return self.touch(key, timeout, version)

    def persist(self, key, version=None):
        view, key = self._at(key, version)
        return check(lib.redis_cache_persist(view, key, len(key))) == OK

    def ttl(self, key, version=None):
        """Seconds left, rounded up; None without an expiry; 0 where there is no such key."""
        view, key = self._at(key, version)
        out = ffi.new("int64_t *")
        if check(lib.redis_cache_ttl(view, key, len(key), out)) == NOT_FOUND:
            return 0
        return None if out[0] == FOREVER else -(-out[0] // 1000)

    def incr_version(self, key, delta=1, version=None):
        view, name = self._at(key, version)
        out = ffi.new("uint64_t *")
        if check(lib.redis_cache_incr_version(view, name, len(name), delta, out)) == NOT_FOUND:
            raise ValueError(f"Key '{key}' not found")
        return out[0]

    def get_or_set(
        self, key, default, timeout=DEFAULT_TIMEOUT, version=None, *, lock_timeout=None, stale_cache_timeout=None
    ):
        """The value; where there is none, what `default` is or returns, which is stored. Of all threads and processes
        that ask at once one calls it. What it raises is raised here, unless there is an old value to serve.

        `lock_timeout` and `stale_cache_timeout` (seconds) are the options `lease` and `stale` for this call. Each pair
        of them is a client with connections of its own: let them be constants.
        """
        view, name = self._at(key, version)
        if lock_timeout is not None or stale_cache_timeout is not None:
            view = self._view(version, terms=(lock_timeout, stale_cache_timeout))
        elif type(default) is int:
            view = self._view(version, integers=True)
        load, out = clients.Load(default, self._coding.encode), ffi.new("redis_cache_bytes *")
        handle = ffi.new_handle(load)
        status = lib.redis_cache_get_or_set(view, name, len(name), self._ttl(timeout), clients.compute, handle, out)
        if load.error is not None:
            error, load.error = load.error, None
            if status not in (OK, STALE) or not isinstance(error, Exception):
                lib.redis_cache_bytes_free(out)
                raise error
            clients.logger.warning("get_or_set serves an old value, for loading a new one failed", exc_info=error)
        if check(status) == NOT_FOUND:  # said to be absent by a program in another language
            return None
        value = self._decoded(take(out), _MISSING)
        if value is _MISSING:
            value = default() if callable(default) else default
            self.set(key, value, timeout, version)
        return value

    # Many keys.

    def get_many(self, keys, version=None):
        keys = list(keys)
        view, names = self._at_many(keys, version)
        out = ffi.new("redis_cache_results **")
        array, _held = _slices(names)
        status = check(lib.redis_cache_get_many(view, array, len(names), out))
        results, slice_, found, errors = ffi.gc(out[0], lib.redis_cache_results_free), ffi.new(_SLICE), {}, {}
        for index, key in enumerate(keys):
            item = lib.redis_cache_results_get(results, index, slice_)
            if item == OK:
                value = self._decoded(_unpacked(slice_), _MISSING)
                if value is not _MISSING:
                    found[key] = value
            elif item < 0 or item == BUSY:
                errors[key] = fault(item)
        if status == PARTIAL and errors:
            raise PartialError(f"get_many: {len(errors)} of {len(keys)} keys failed", found, errors)
        return found

    def set_many(self, data, timeout=DEFAULT_TIMEOUT, version=None):
        """The keys that could not be stored, as Django has it; when that is all of them, for one reason, it is raised."""
        keys, ttl, failed = list(data), self._ttl(timeout), []
        view, names = self._at_many(keys, version)
        items = [(key, name, *self._coding.encode(data[key])) for key, name in zip(keys, names)]
        for integers in (False, True):
            chosen = [item for item in items if item[3] == integers]
            if chosen:
                into = self._view(version, integers=True) if integers else view
                failed += self._set_chosen(into, chosen, ttl)
        return failed

    def delete_many(self, keys, version=None):
        """How many there were; None when none is asked for, as Django has it."""
        keys = list(keys)
        if not keys:
            return None
        view, names = self._at_many(keys, version)
        out = ffi.new("uint64_t *")
        array, _held = _slices(names)
        if check(lib.redis_cache_delete_many(view, array, len(names), out)) == PARTIAL:
            raise PartialError("delete_many: some keys could not be asked for", {}, {})
        return out[0]

    # Groups of keys: each walks over the keys in small steps and blocks no server.

    def clear(self, version=None):
        """Deletes this cache's keys, of one version or of all, and nobody else's. How many there were."""
        out = ffi.new("uint64_t *")
        if version is None:
            check(lib.redis_cache_clear(self._view(), ffi.NULL, out))
        else:
            check(lib.redis_cache_clear_version(self._view(version), version, ffi.NULL, out))
        return out[0]

    def flush_db(self):
        """FLUSHDB: everything in the database, other programs' keys included."""
        check(lib.redis_cache_flush_db(self._view()))

    def delete_pattern(self, pattern, version=None):
        """Deletes the keys of one version that match a glob. How many there were."""
        out, pattern = ffi.new("uint64_t *"), pattern.encode()
        check(lib.redis_cache_delete_pattern(self._view(version), pattern, len(pattern), ffi.NULL, out))
        return out[0]

    def iter_keys(self, pattern="*", version=None):
        """The keys of one version that match a glob, as they were given (with a KEY_FUNCTION: as it made them)."""
        out, pattern = ffi.new("redis_cache_keys **"), pattern.encode()
        check(lib.redis_cache_keys_begin(self._view(version), pattern, len(pattern), out))
        keys, slice_ = ffi.gc(out[0], lib.redis_cache_keys_free), ffi.new(_SLICE)
        while check(lib.redis_cache_keys_next(keys, slice_)) == OK:
            yield _unpacked(slice_).decode("utf-8", "surrogateescape")

    def keys(self, pattern="*", version=None):
        return list(self.iter_keys(pattern, version))

    def reinsert_keys(self):
        """Stores every value anew that the present serializer, pickle version and compressor write otherwise; lifetimes
        are kept, and whoever writes meanwhile wins. How many that were. What cannot be read stays as it is."""
        job, out = clients.Rewrite(self._coding), ffi.new("uint64_t *")
        handle = ffi.new_handle(job)
        status = lib.redis_cache_reinsert_keys(self._view(), clients.rewrite, handle, ffi.NULL, out)
        if job.error is not None:
            raise job.error
        check(status)
        return out[0]

    # The rest.

    def lock(self, key, timeout=None, sleep=None, blocking_timeout=None, thread_local=True):
        """A lock as redis-py's: `acquire`, `release`, `extend`, `with`. `sleep` has no effect."""
        return Lock(self._view(), key, timeout, blocking_timeout, thread_local)

    def ping(self):
        """Asks every server whether it is there; raises when one is not."""
        check(lib.redis_cache_ping(self._view()))

    def stats(self):
        """The counters of this process's client, by their names in the header."""
        out = ffi.new("redis_cache_stats *")
        check(lib.redis_cache_stats_read(self._view(), out, ffi.sizeof("redis_cache_stats")))
        return {name: getattr(out, name) for name, _ in ffi.typeof("redis_cache_stats").fields}

    # What they need.

    def _at(self, key, version):
        """The view of the version, and the key in it. Django's warnings are about the key as it is on the wire."""
        self.validate_key(self.make_key(key, version))
        return self._view(version), str(key).encode()

    def _at_many(self, keys, version):
        for key in keys:
            self.validate_key(self.make_key(key, version))
        return self._view(version), [str(key).encode() for key in keys]

    def _set_chosen(self, view, chosen, ttl):
        """Those of `chosen` (key, its name, bytes) that could not be stored."""
        names, _held = _slices([item[1] for item in chosen])
        data, _held_too = _slices([item[2] for item in chosen])
        entries = ffi.new("redis_cache_entry[]", [(names[i], data[i]) for i in range(len(chosen))])
        out = ffi.new("redis_cache_results **")
        status = check(lib.redis_cache_set_many(view, entries, len(chosen), ttl, out))
        results, slice_ = ffi.gc(out[0], lib.redis_cache_results_free), ffi.new(_SLICE)
        if status == OK:
            return []
        return [
            item[0] for i, item in enumerate(chosen) if lib.redis_cache_results_get(results, i, slice_) != OK
        ]

    def _incr_value(self, view, name, delta, out):
        """Counts with an integer that stands in a value, as the functions of get_or_set leave it: it becomes one that
        the library counts with. One at a time; who writes the key by other means just then may be overtaken."""
        with Lock(view, b"incr:" + name, 10, None, False):
            status = lib.redis_cache_incr(view, name, len(name), delta, out)
            found, left = ffi.new("redis_cache_bytes *"), ffi.new("int64_t *")
            if status != WRONG_TYPE or check(lib.redis_cache_get(view, name, len(name), found)) == NOT_FOUND:
                return status
            value = self._decoded(take(found), None)
            if type(value) is int and check(lib.redis_cache_ttl(view, name, len(name), left)) == OK:
                check(lib.redis_cache_set_int(view, name, len(name), value, left[0]))
            return lib.redis_cache_incr(view, name, len(name), delta, out)

    def _view(self, version=None, integers=False, terms=None):
        version = self.version if version is None else version
        which = (self.key_func, self.key_prefix, version, integers, terms)
        view = self._views.get(which)
        if view is None:
            if len(self._views) >= clients._VIEWS:
                self._views.clear()
            view = self._views[which] = self._client(integers, terms).view(version)
        return view

    def _client(self, integers, terms):
        """The client of these settings. `integers`: one that writes bytes as they are, so that digits are an integer."""
        locations, options, maker, make = self._locations, dict(self._options), None, None
        if self.key_prefix:
            options["prefix"] = self.key_prefix
        if integers:
            locations = tuple(settings.without_values(location) for location in locations)
            options = settings.unlike_values(options) | {"layout": "plain"}
        for name, seconds in zip(("lease", "stale"), terms or ()):
            if seconds is not None:
                options[name] = f"{settings.milliseconds(seconds)}ms"
        if self.key_func is not default_key_func or type(self).make_key is not BaseCache.make_key:
            maker, make = (type(self), self.key_func), self._maker()
        return clients.shared(locations, options, maker, make)

    def _maker(self):
        """What makes keys for a client, which outlives this object and what is set on it. In a pattern the prefix is
        another one than ours: escaped."""
        twins, state = {}, dict(self.__dict__)

        def make(prefix, version, key):
            twin = twins.get(prefix)
            if twin is None:
                twin = type(self).__new__(type(self))
                twin.__dict__.update(state, key_prefix=prefix)
                twins[prefix] = twin
            return twin.make_key(key, version)

        return make

    def _ttl(self, timeout):
        timeout = self.default_timeout if timeout is DEFAULT_TIMEOUT else timeout
        return FOREVER if timeout is None else settings.milliseconds(float(timeout))

    def _decoded(self, data, default):
        try:
            return self._coding.decode(data)
        except Exception as error:
            if self._options.get("on_decode_error") == "error":
                raise DecodeError(f"a stored value cannot be read: {type(error).__name__}") from error
            clients.logger.warning("a stored value cannot be read, which is a miss: %s", type(error).__name__)
            return default


def _slices(texts):
    """An array of slices, and what must live as long as it."""
    held = [ffi.from_buffer("char[]", text) for text in texts]
    return ffi.new("redis_cache_slice[]", [(data, len(text)) for data, text in zip(held, texts)]), held


def _unpacked(slice_):
    return ffi.unpack(slice_.data, slice_.len) if slice_.len else b""


class ShardedRedisCache(RedisCache):
    """Several servers that share the keys exactly as the ancestor's class of this name places them."""

    ring = "django-redis-cache"


def _by_thread(name):
    """The asynchronous twin of a method that Django's base class would make of several calls."""

    async def method(self, *args, **kwargs):
        return await sync_to_async(getattr(self, name), thread_sensitive=True)(*args, **kwargs)

    return method


for _name in "incr decr incr_version get_or_set has_key get_many set_many delete_many clear".split():
    setattr(RedisCache, "a" + _name, _by_thread(_name))
