"""A cache of Python, moved from outside: every line of standard input is a call, every line of standard output its
result. Lines are JSON.

    {"open": "a", "backend": "redis_cache.RedisCache", "location": "redis://..", "prefix": "app", "options": {..}}
    {"cache": "a", "call": "set", "args": ["key", 1], "named": {"version": 2}}
"""

import json
import sys

from django.conf import settings
from django.utils.module_loading import import_string

settings.configure()
caches = {}


def answer(line):
    if "open" in line:
        make = import_string(line["backend"])
        parameters = {"KEY_PREFIX": line["prefix"], "OPTIONS": line["options"]}
        caches[line["open"]] = make(line["location"], parameters)
        return None
    method = getattr(caches[line["cache"]], line["call"])
    return method(*line.get("args", []), **line.get("named", {}))


for text in sys.stdin:
    try:
        reply = {"is": answer(json.loads(text))}
    except Exception as error:
        reply = {"failed": f"{type(error).__name__}: {error}"}
    print(json.dumps(reply, default=str), flush=True)
