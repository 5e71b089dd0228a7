"""The Django half of the site, in one module. It has the page, and the same four addresses as service.c:

    GET  /users/ID    what the cache has          POST /forget    deletes user:*
    POST /users/ID    the body is the name        GET  /report    computed where it is missing

and GET /herd/C, /herd/Django and /herd/both, which forget the report and ask for it 20 times at once.
"""

import json
import os
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.request import urlopen

import django
from django.conf import settings
from django.core.cache import cache
from django.core.handlers.wsgi import WSGIHandler
from django.core.servers.basehttp import ThreadedWSGIServer, WSGIRequestHandler
from django.http import JsonResponse
from django.shortcuts import render
from django.urls import path
from django.views.decorators.http import require_GET, require_http_methods, require_POST
from redis_cache_native import UnreachableError

LAYOUT, SERVICE = os.environ["SITE_LAYOUT"], os.environ["SITE_C"]
HERD = 20
NAME_MAX_LEN = 100
MISSING = object()

settings.configure(
    ALLOWED_HOSTS=["127.0.0.1", "localhost"],
    ROOT_URLCONF=__name__,
    MIDDLEWARE=[f"{__name__}.Unreachable"],
    SECRET_KEY="of an example",
    TEMPLATES=[{"BACKEND": "django.template.backends.django.DjangoTemplates", "DIRS": [Path(__file__).parent]}],
    # What service.c says in its location: the same database, prefix and layout; JSON is what both know.
    CACHES={
        "default": {
            "BACKEND": "redis_cache_native.RedisCache",
            "LOCATION": os.environ["SITE_REDIS"],
            "KEY_PREFIX": "site",
            "TIMEOUT": 60,
            "OPTIONS": {
                "DB": 1,
                "SERIALIZER_CLASS": "redis_cache.serializers.JSONSerializer",
                "layout": LAYOUT,
                "timeout": "5s",
                "wait": "30s",
            },
        }
    },
)
django.setup()


def answer(status=200, **fields):
    return JsonResponse({"who": "Django", **fields}, status=status, headers={"Cache-Control": "no-store"})


class Unreachable:
    """A cache that does not answer: 503, and its text, which names servers, is for the log."""

    def __init__(self, get_response):
        self.get_response = get_response

    def __call__(self, request):
        return self.get_response(request)

    def process_exception(self, request, error):
        if isinstance(error, UnreachableError):
            print(f"{request.path}: {error}", file=sys.stderr)
            return answer(503, error=type(error).__name__)


def entry(key):
    """The key as others see it, and how long its value has to live."""
    seconds = cache.ttl(key)
    return {"key": cache.make_key(key), **({"ttl_ms": seconds * 1000} if seconds else {})}


@require_http_methods(["GET", "POST"])
def user(request, number):
    key = f"user:{number}"
    if request.method == "POST":
        if len(request.body) > NAME_MAX_LEN:
            return answer(413, error="the name is too long")
        value = {"name": request.body.decode("utf-8", "replace"), "by": "Django"}
        cache.set(key, value)
        return answer(value=value, **entry(key))
    value = cache.get(key, MISSING)
    if value is MISSING:
        return answer(cache="miss", **entry(key))
    return answer(cache="hit", value=value, **entry(key))


@require_POST
def forget(request):
    return answer(deleted=cache.delete_pattern("user:*"))


@require_GET
def report(request):
    loaded = False

    def load():
        nonlocal loaded
        loaded = True
        time.sleep(0.4)  # as long as a query that is worth caching takes
        return {"made": int(time.time()), "by": "Django"}

    value = cache.get_or_set("report", load)
    return answer(loaded=loaded, value=value)


@require_GET
def herd(request, who):
    here = request.build_absolute_uri("/").rstrip("/")
    asked = {"C": [SERVICE], "Django": [here], "both": [SERVICE, here]}.get(who)
    if asked is None:
        return answer(404, error="there is nobody of this name")

    def ask(number):
        with urlopen(asked[number % len(asked)] + "/report", timeout=60) as response:
            return json.load(response)

    cache.delete("report")
    begun = time.monotonic()
    with ThreadPoolExecutor(HERD) as pool:
        answers = list(pool.map(ask, range(HERD)))
    return answer(
        ms=round((time.monotonic() - begun) * 1000),
        loads=sum(one["loaded"] for one in answers),
        answers=[{"who": one["who"], "loaded": one["loaded"], "value": one["value"]} for one in answers],
    )


@require_GET
def page(request):
    return render(request, "page.html", {"service": SERVICE, "layout": LAYOUT})


urlpatterns = [
    path("", page),
    path("users/<str:number>", user),
    path("forget", forget),
    path("report", report),
    path("herd/<str:who>", herd),
]


class Server(ThreadedWSGIServer):
    request_queue_size = 2 * HERD
    daemon_threads = True


if __name__ == "__main__":
    server = Server(("127.0.0.1", 0), WSGIRequestHandler)
    server.set_app(WSGIHandler())
    print(server.server_port, flush=True)
    server.serve_forever()
