"""A lock as redis-py has it, over the library's: named in the cache's own prefix, and never held for ever."""

import threading
import time
import types

from .errors import LostError
from .library import OK, check, ffi, lib
from .settings import milliseconds

# A lock without a timeout is for whom the ancestor's never ended. One that a dead process held ends some day.
_LONGEST = 3600
# Python hears of signals between two calls only.
_STEP_MS = 500


class Lock:
    """`with cache.lock("nightly", timeout=60): ...`; `token` grows with every acquisition."""

    def __init__(self, view, name, timeout, blocking_timeout, thread_local):
        self._view = view
        self._name = name if isinstance(name, bytes) else str(name).encode()
        self._ttl = milliseconds(_LONGEST if timeout is None else timeout)
        self._blocking_timeout = blocking_timeout
        self._own = threading.local() if thread_local else types.SimpleNamespace()

    def acquire(self, blocking=True, blocking_timeout=None):
        """True when the lock is ours; False when somebody else had it all the time."""
        wait = self._blocking_timeout if blocking_timeout is None else blocking_timeout
        ends = None if wait is None else time.monotonic() + wait
        out = ffi.new("redis_cache_lock **")
        while True:
            left = _STEP_MS if ends is None else min(_STEP_MS, milliseconds(max(0, ends - time.monotonic())))
            left = left if blocking else 0
            status = lib.redis_cache_lock_acquire(self._view, self._name, len(self._name), self._ttl, left, out)
            if status == OK:
                self._own.held = out[0]
                return True
            if status < 0:
                check(status)
            if not blocking or (ends is not None and time.monotonic() >= ends):
                return False

    def release(self):
        """Gives it back; `LostError` when it ran out before, or was not ours."""
        held, self._own.held = self._held(), None
        check(lib.redis_cache_lock_release(held))

    def extend(self, additional_time):
        """Lets it last for so many seconds from now."""
        check(lib.redis_cache_lock_extend(self._held(), milliseconds(additional_time)))
        return True

    @property
    def token(self):
        """The fencing token: what a store can refuse a late holder by."""
        return lib.redis_cache_lock_token(self._held())

    def owned(self):
        """Whether it was acquired here and not released since."""
        return getattr(self._own, "held", None) is not None

    def _held(self):
        held = getattr(self._own, "held", None)
        if held is None:
            raise LostError(f"the lock {self._name.decode()!r} is not held here")
        return held

    def __enter__(self):
        if not self.acquire():
            raise LostError(f"the lock {self._name.decode()!r} was not to be had in time")
        return self

    def __exit__(self, *_):
        self.release()
