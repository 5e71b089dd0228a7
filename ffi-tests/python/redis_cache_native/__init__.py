"""A cache for Django over libredis_cache, by its C API and nothing else: this package is Python and cffi.

    CACHES = {"default": {"BACKEND": "redis_cache_native.RedisCache", "LOCATION": "redis://127.0.0.1:6379/1"}}

Settings and methods are those of django-redis-cache; `docs/django.md` in the project's repository has both in tables.
Every error is an `Error`; what was found in the settings is also Django's `ImproperlyConfigured`.
"""

from .backend import RedisCache, ShardedRedisCache
from .dummy import RedisDummyCache
from .errors import (
    AuthError,
    BusyError,
    CallbackError,
    ConfigError,
    DecodeError,
    Error,
    InvalidArgument,
    IoError,
    LostError,
    NoMemoryError,
    PanicError,
    PartialError,
    ServerError,
    TimeoutError,
    UnavailableError,
    UnreachableError,
    UnsupportedError,
    WrongTypeError,
)
from .lock import Lock

__all__ = [
    "AuthError",
    "BusyError",
    "CallbackError",
    "ConfigError",
    "DecodeError",
    "Error",
    "InvalidArgument",
    "IoError",
    "Lock",
    "LostError",
    "NoMemoryError",
    "PanicError",
    "PartialError",
    "RedisCache",
    "RedisDummyCache",
    "ServerError",
    "ShardedRedisCache",
    "TimeoutError",
    "UnavailableError",
    "UnreachableError",
    "UnsupportedError",
    "WrongTypeError",
]
