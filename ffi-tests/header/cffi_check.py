"""The header after `cpp -P`, as Python's cffi reads it: parsed, the library loaded by it, and a value stored and read.

usage: cffi_check.py PREPROCESSED_HEADER LIBRARY
"""

import sys

import cffi

with open(sys.argv[1], encoding="utf-8") as header:
    text = header.read()
ffi = cffi.FFI()
ffi.cdef(text)
lib = ffi.dlopen(sys.argv[2])

cache = ffi.new("redis_cache **")
assert lib.redis_cache_open(b"memory://?prefix=python", cache) == lib.REDIS_CACHE_OK
key, value = b"a\0b", b"\0 from Python"
assert lib.redis_cache_set(cache[0], key, len(key), value, len(value), 60000) == lib.REDIS_CACHE_OK
out = ffi.new("redis_cache_bytes *")
assert lib.redis_cache_get(cache[0], key, len(key), out) == lib.REDIS_CACHE_OK
assert ffi.buffer(out.data, out.len)[:] == value
lib.redis_cache_bytes_free(out)
lib.redis_cache_free(cache[0])
print("header: read by cffi", cffi.__version__)
