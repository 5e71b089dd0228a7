"""A Django site of one file, for the tests of gunicorn and of the wheel. It uses its cache before gunicorn forks."""

import os
import time

import django
from django.conf import settings
from django.core.cache import cache
from django.core.handlers.wsgi import WSGIHandler
from django.http import JsonResponse
from django.urls import path

settings.configure(
    ALLOWED_HOSTS=["*"],
    ROOT_URLCONF=__name__,
    SECRET_KEY="of the tests",
    CACHES={
        "default": {
            "BACKEND": "redis_cache_native.RedisCache",
            "LOCATION": os.environ["SHOP_LOCATION"],
            "KEY_PREFIX": os.environ["SHOP_PREFIX"],
        }
    },
)
django.setup()

BORN = os.getpid()
cache.set("born", BORN)


def load(name):
    cache.add(f"loads:{name}", 0)
    cache.incr(f"loads:{name}")
    time.sleep(0.1)
    return {"name": name, "loaded by": os.getpid()}


def page(request, name):
    value = cache.get_or_set(f"page:{name}", lambda: load(name), 600)
    return JsonResponse({"page": value, "by": os.getpid(), "born": cache.get("born")})


urlpatterns = [path("<str:name>", page)]
application = WSGIHandler()
