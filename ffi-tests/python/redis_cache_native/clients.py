"""Clients of the library. Django makes a backend for every thread; those with the same settings share one client here,
for only one client's threads compute a value once, and its connections are for all of them. A client stays for the life
of the process, also over a fork: a child goes on with it, as the library promises."""

import logging

from .errors import InvalidArgument
from .library import OK, check, fault, ffi, lib

logger = logging.getLogger("redis_cache_native")

_VIEWS = 256
_shared = {}


def shared(locations, options, maker, make):
    """The client of these settings. `maker` tells apart what makes keys, `make(prefix, version, key)`; None is the
    library itself."""
    settings = (locations, tuple(sorted(options.items())), maker)
    client = _shared.get(settings)
    if client is None:
        # Two threads may both come here; making one needs no network, and one of the two is dropped.
        client = _shared.setdefault(settings, Client(locations, options, make))
    return client


class Client:
    """A client and its views, one for each version of keys."""

    def __init__(self, locations, options, make):
        config = ffi.gc(lib.redis_cache_config_new(), lib.redis_cache_config_free)
        for location in locations:
            check(lib.redis_cache_config_add_server(config, location.encode(), ffi.NULL, 1))
        for name, value in options.items():
            check(lib.redis_cache_config_set(config, name.encode(), value.encode()))
        # Where a fault is an exception nobody needs to read of it twice.
        level = logging.WARNING if options.get("on_error") == "miss" else logging.INFO
        check(lib.redis_cache_config_set_error_fn(config, _on_error, ffi.cast("void *", level)))
        if make is not None:
            self._make = ffi.new_handle(make)
            check(lib.redis_cache_config_set_key_fn(config, _make_key, self._make))
        out = ffi.new("redis_cache **")
        check(lib.redis_cache_connect(config, out))
        self._cache = ffi.gc(out[0], lib.redis_cache_free)
        self._views = {}

    def view(self, version):
        view = self._views.get(version)
        if view is None:
            if type(version) is not int or not 0 <= version < 1 << 64:
                raise InvalidArgument(f"a version is an integer from 0 on, not {version!r}")
            view = ffi.gc(lib.redis_cache_with_version(self._cache, version), lib.redis_cache_free)
            # Some programs make a version of every change. What is in use elsewhere outlives this.
            if len(self._views) >= _VIEWS:
                self._views.clear()
            self._views[version] = view
        return view


# The functions that the library calls. An exception cannot pass through C: cffi would print it and let the function
# return 0, which means success. So each of them catches everything, says that it failed, and keeps what was raised.


@ffi.callback("redis_cache_error_fn")
def _on_error(level, status, text):
    name = ffi.string(lib.redis_cache_status_name(status)).decode()
    logger.log(int(ffi.cast("intptr_t", level)), "%s: %s", name, ffi.string(text).decode("utf-8", "replace"))


@ffi.callback("redis_cache_key_fn", error=-1)
def _make_key(make, prefix, version, key, out):
    try:
        text = ffi.unpack(key.data, key.len).decode("utf-8", "surrogateescape")
        made = ffi.from_handle(make)(ffi.string(prefix).decode(), version, text)
        made = made.encode("utf-8", "surrogateescape")
    except BaseException as error:
        lib.redis_cache_writer_fail(out, _reason(error))
        return -1
    return lib.redis_cache_writer_append(out, made, len(made))


class Load:
    """What get_or_set calls where there is no value, and what became of it."""

    def __init__(self, default, encode):
        self.default = default
        self.encode = encode
        self.error = None


@ffi.callback("redis_cache_compute_fn", error=-1)
def compute(handle, out):
    load = ffi.from_handle(handle)
    try:
        data, _ = load.encode(load.default() if callable(load.default) else load.default)
        status = lib.redis_cache_writer_append(out, data, len(data))
        if status != OK:
            raise fault(status)
    except BaseException as error:
        load.error = error
        lib.redis_cache_writer_fail(out, _reason(error))
        return -1
    return 0


class Rewrite:
    """What reinsert_keys does to each value, and what was raised."""

    def __init__(self, coding):
        self.coding = coding
        self.error = None


_REPLACE, _KEEP = 0, 1


@ffi.callback("redis_cache_rewrite_fn", error=-1)
def rewrite(handle, key, value, out):
    job = ffi.from_handle(handle)
    try:
        old = ffi.unpack(value.data, value.len) if value.len else b""
        try:
            decoded = job.coding.decode(old)
        except Exception:
            return _KEEP
        new, is_integer = job.coding.encode(decoded)
        if is_integer or new == old:
            return _KEEP
        return _REPLACE if lib.redis_cache_writer_append(out, new, len(new)) == OK else -1
    except BaseException as error:
        job.error = error
        lib.redis_cache_writer_fail(out, _reason(error))
        return -1


def _reason(error):
    return f"{type(error).__name__}: {error}".encode("utf-8", "replace").replace(b"\0", b" ")
