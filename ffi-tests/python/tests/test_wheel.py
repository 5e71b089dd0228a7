"""The wheel, as somebody installs it."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

from conftest import TCP

WHEEL = Path(os.environ["REDIS_CACHE_WHEEL"])
PROGRAM = """
import redis_cache_native, shop
from django.test import Client
first, second = (Client().get("/wheel").json() for _ in range(2))
assert first == second and first["page"]["name"] == "wheel", (first, second)
print(redis_cache_native.__file__)
"""


def test_what_is_in_it(tmp_path):
    assert WHEEL.name.split("-")[2:4] == ["py3", "none"]
    with zipfile.ZipFile(WHEEL) as wheel:
        library = wheel.extract("redis_cache_native/libredis_cache.so.0", tmp_path)
        assert wheel.read("redis_cache_native/redis_cache.h").startswith(b"/*\n * redis_cache")
    sections = subprocess.run(["readelf", "-SW", library], capture_output=True, text=True, check=True).stdout
    assert " .dynsym " in sections and " .symtab " not in sections and " .debug_info " not in sections


def test_a_fresh_environment_runs_a_site_on_it(tmp_path, prefix):
    """Installed with what it depends on, into an environment that has nothing else."""
    fresh = tmp_path / "venv"
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "REDIS_CACHE"))}

    def run(*command, **more):
        done = subprocess.run(command, env={**environment, **more}, capture_output=True, text=True, timeout=300)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    run(sys.executable, "-m", "venv", "--without-pip", fresh)
    python = fresh / "bin" / "python"
    # The versions that are installed here already, so that nothing needs to be fetched again.
    pinned = Path(__file__).parent.parent / "requirements.txt"
    install = ["install", "--quiet", "--disable-pip-version-check", "--constraint", pinned, WHEEL]
    run(sys.executable, "-m", "pip", "--python", python, *install)
    site = str(Path(__file__).parent / "site")
    said = run(python, "-c", PROGRAM, PYTHONPATH=site, SHOP_LOCATION=TCP, SHOP_PREFIX=prefix)
    assert said.startswith(str(fresh))
