"""The tests that Django and django-redis have of their own backends, fetched with their source packages."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import TCP, UNIX
from django_redis_choice import LEFT_OUT

SOURCES = Path(os.environ["REDIS_CACHE_TEST_SOURCES"])
HERE = Path(__file__).parent

SERVER = TCP.rsplit("/", 1)[0]
# Layout and locations, each with databases of its own: Django's tests empty them.
DJANGO = {
    "tcp": ("tagged", f"{SERVER}/2"),
    "unix": ("tagged", f"{UNIX}?db=3"),
    "ring": ("tagged", f"{SERVER}/4", f"{UNIX}?db=5"),
    "memory": ("tagged", "memory://"),
    "plain": ("plain", f"{SERVER}/7"),
}


def start(*command, **environment):
    command = [sys.executable, *command]
    return subprocess.Popen(
        command, env={**os.environ, **environment}, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )


@pytest.fixture(scope="module")
def started():
    """All of them at once, for most of what they do is to sleep until something expires."""
    others = {name: start(HERE / "django_suite.py", SOURCES / "Django", *where) for name, where in DJANGO.items()}
    folder = SOURCES / "django-redis" / "tests"
    others["django-redis"] = start(
        *["-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "django_redis_choice", "-c", os.devnull, "--rootdir", folder],
        *["--ds=django_redis_settings", folder / "test_backend.py", folder / "test_session.py"],
        *[f"{folder}/test_cache_options.py::TestDjangoRedisCacheEscapePrefix"],
        PYTHONPATH=os.pathsep.join([str(HERE), os.environ["PYTHONPATH"]]),
    )
    yield others
    for process in others.values():
        process.kill()
        process.wait()


def outcome(process):
    said = process.communicate(timeout=200)[0]
    assert process.returncode == 0, said
    return said


@pytest.mark.parametrize("name", DJANGO)
def test_django(started, name):
    said = outcome(started[name])
    ran = int(re.search(r"Ran (\d+) tests", said).group(1))
    # What is skipped are the three that need a cache that culls.
    assert ran > 50 and "skipped=3" in said, said


def test_django_redis(started):
    said = outcome(started["django-redis"])
    (summary,) = [line for line in said.splitlines() if " passed" in line]
    assert f"{len(LEFT_OUT)} deselected" in summary, f"{summary}: a name that is no test any more"
    assert int(summary.split(" passed")[0].split()[-1]) > 60, summary
