"""The wheel: Python alone, but for the library inside, so it is for any Python 3 on one kind of machine. `make wheel`
lays header and library beside the modules before it comes here."""

import re
from pathlib import Path

from setuptools import Distribution, setup
from setuptools.command.bdist_wheel import bdist_wheel

HEADER = Path(__file__).parent / "redis_cache_native" / "redis_cache.h"


class Binary(Distribution):
    def has_ext_modules(self):
        return True


class Wheel(bdist_wheel):
    def get_tag(self):
        return "py3", "none", super().get_tag()[2]


setup(
    name="redis-cache-native",
    version=re.search(r'#define REDIS_CACHE_VERSION "(.*)"', HEADER.read_text("utf-8")).group(1),
    description="A cache for Django over libredis_cache, with the settings and methods of django-redis-cache",
    license="MIT",
    packages=["redis_cache_native"],
    package_data={"redis_cache_native": ["redis_cache.h", "libredis_cache.so.0"]},
    install_requires=["cffi>=1.15", "Django>=3.2"],
    python_requires=">=3.9",
    distclass=Binary,
    cmdclass={"bdist_wheel": Wheel},
    zip_safe=False,
)
