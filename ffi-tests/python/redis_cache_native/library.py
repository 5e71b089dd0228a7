"""The shared library, seen through its own header: nothing of the C API is written down a second time here.

Both stand beside this file in a wheel. In a source tree, or where the library is installed for all,
REDIS_CACHE_LIBRARY and REDIS_CACHE_HEADER say where they are.
"""

import os
import re
from pathlib import Path

import cffi

from .errors import BY_NAME, Error

_HERE = Path(__file__).parent


def _declarations(header):
    """What cffi reads of a header that `cpp` has not seen: without comments, C++ and lines of the preprocessor."""
    header = re.sub(r"/\*.*?\*/", "", header, flags=re.S)
    header = re.sub(r"#ifdef __cplusplus.*?#endif", "", header, flags=re.S)
    return re.sub(r"(?m)^#(?:.*\\\n)*.*$", "", header)


ffi = cffi.FFI()
ffi.cdef(_declarations(Path(os.environ.get("REDIS_CACHE_HEADER", _HERE / "redis_cache.h")).read_text("utf-8")))
lib = ffi.dlopen(os.environ.get("REDIS_CACHE_LIBRARY", str(_HERE / "libredis_cache.so.0")))

# Each status that has a meaning of its own to a caller here, and what the others are raised as.
OK, NOT_FOUND, EXISTS = lib.REDIS_CACHE_OK, lib.REDIS_CACHE_NOT_FOUND, lib.REDIS_CACHE_EXISTS
STALE, BUSY, PARTIAL = lib.REDIS_CACHE_STALE, lib.REDIS_CACHE_BUSY, lib.REDIS_CACHE_PARTIAL
WRONG_TYPE, FOREVER = lib.REDIS_CACHE_ERR_WRONG_TYPE, (1 << 63) - 1
_CLASSES = {getattr(lib, "REDIS_CACHE_" + name): error for name, error in BY_NAME.items()}


def check(status):
    """The status, unless it is an error: that is raised. To be called right after the call, on its thread, for the
    library keeps the text of a thread's last failure only."""
    if status < 0 or status == BUSY:
        raise fault(status)
    return status


def fault(status, text=None):
    """The exception that a status is; its text is the library's."""
    name = ffi.string(lib.redis_cache_status_name(status)).decode()
    if text is None and status < 0:
        text = ffi.string(lib.redis_cache_last_error()).decode("utf-8", "replace")
    return _CLASSES.get(status, Error)(text or name)


def take(out):
    """The bytes that a call has handed out, which are freed."""
    try:
        return ffi.unpack(out.data, out.len)
    finally:
        lib.redis_cache_bytes_free(out)
