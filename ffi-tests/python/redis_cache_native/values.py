"""Values as bytes: the serializers and compressors of django-redis-cache, which write what that package wrote. Integers
are their decimal digits, as the library's own."""

import bz2
import importlib
import json
import pickle
import re
import zlib

from django.core.exceptions import ImproperlyConfigured

_INTEGER = re.compile(rb"0|-?[1-9][0-9]*").fullmatch


class PickleSerializer:
    def __init__(self, pickle_version=-1):
        self.pickle_version = pickle_version

    def serialize(self, value):
        return pickle.dumps(value, self.pickle_version)

    def deserialize(self, value):
        return pickle.loads(value)


class JSONSerializer:
    def serialize(self, value):
        return json.dumps(value).encode()

    def deserialize(self, value):
        return json.loads(value)


class MSGPackSerializer:
    def __init__(self):
        self._msgpack = importlib.import_module("msgpack")

    def serialize(self, value):
        return self._msgpack.packb(value, use_bin_type=True)

    def deserialize(self, value):
        return self._msgpack.unpackb(value, raw=False)


class YAMLSerializer:
    def __init__(self):
        self._yaml = importlib.import_module("yaml")

    def serialize(self, value):
        return self._yaml.dump(value, encoding="utf-8", Dumper=self._yaml.Dumper)

    def deserialize(self, value):
        return self._yaml.load(value, Loader=self._yaml.FullLoader)


class DummySerializer:
    def serialize(self, value):
        return value

    def deserialize(self, value):
        return value


class NoopCompressor:
    def compress(self, value):
        return value

    def decompress(self, value):
        return value


class ZLibCompressor:
    def __init__(self, level=6):
        self.level = level

    def compress(self, value):
        return zlib.compress(value, self.level)

    def decompress(self, value):
        return zlib.decompress(value)


class BZip2Compressor:
    def __init__(self, compresslevel=9):
        self.compresslevel = compresslevel

    def compress(self, value):
        return bz2.compress(value, compresslevel=self.compresslevel)

    def decompress(self, value):
        return bz2.decompress(value)


def named(path, default):
    """The class of this path. Those of the ancestor are the ones above: it need not be installed."""
    path = path or default
    if not isinstance(path, str):
        return path
    module, _, name = path.rpartition(".")
    if module in ("redis_cache.serializers", "redis_cache.compressors"):
        module = __name__
    try:
        return getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError, ValueError) as error:
        raise ImproperlyConfigured(f"{path} cannot be imported: {error}") from error


class Coding:
    """A serializer and a compressor."""

    def __init__(self, serializer, compressor):
        self._serialize, self._deserialize = serializer.serialize, serializer.deserialize
        self._compress, self._decompress = compressor.compress, compressor.decompress
        self._is_compressed = not isinstance(compressor, NoopCompressor)

    def encode(self, value):
        """The bytes, and whether they are an integer of 64 bits, which is stored so that it can be counted with. (A bool
        is none, nor is an enumerator: they would come back as something else.)"""
        if type(value) is int and -(1 << 63) <= value < 1 << 63:
            return b"%d" % value, True
        data = self._serialize(value)
        return (self._compress(data) if self._is_compressed else data), False

    def decode(self, data):
        """The value. Digits are an integer, the ancestor's beyond 64 bits too. What was stored before compression was
        turned on is read as it is; other failures are raised."""
        if _INTEGER(data):
            return int(data)
        if self._is_compressed:
            try:
                inflated = self._decompress(data)
            except Exception:
                return self._deserialize(data)
            return self._deserialize(inflated)
        return self._deserialize(data)
