"""Four processes that were forked from one that had used its cache, with threads each."""

import collections
import http.client
import json
import os
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from conftest import TCP

SITE = Path(__file__).parent / "site"
KEYS, ASKED, CLIENTS = 30, 24, 24


def ask(port, name):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    connection.request("GET", f"/{name}")
    response = connection.getresponse()
    body = response.read()
    connection.close()
    return response.status, json.loads(body) if response.status == 200 else body


def test_four_workers_load_each_key_once(cache, tmp_path):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = subprocess.Popen(
        [sys.executable, "-m", "gunicorn", "--preload", "--workers=4", "--threads=6", "--timeout=120"]
        + [f"--bind=127.0.0.1:{port}", f"--chdir={SITE}", "shop:application"],
        env={**os.environ, "SHOP_LOCATION": TCP, "SHOP_PREFIX": cache.key_prefix},
        stdout=(tmp_path / "log").open("wb"),
        stderr=subprocess.STDOUT,
    )
    try:
        deadline = time.monotonic() + 60
        while True:
            try:
                ask(port, "first")
                break
            except OSError:
                assert time.monotonic() < deadline and server.poll() is None, (tmp_path / "log").read_text()
                time.sleep(0.1)
        # Whoever asks for a key asks at once with all the others.
        names = [f"key{i}" for i in range(KEYS) for _ in range(ASKED)]
        with ThreadPoolExecutor(CLIENTS) as pool:
            replies = list(pool.map(lambda name: ask(port, name), names))
    finally:
        server.terminate()
        server.wait(60)
    failures = [reply for reply in replies if reply[0] != 200]
    assert failures == [], (tmp_path / "log").read_text()
    loads = {f"key{i}": cache.get(f"loads:key{i}") for i in range(KEYS)}
    assert loads == {f"key{i}": 1 for i in range(KEYS)}
    for name, (_, reply) in zip(names, replies):
        assert reply["page"]["name"] == name and reply["born"] == server.pid
    assert len({reply["by"] for _, reply in replies}) == 4, "all four were at work"
    assert len(collections.Counter(reply["page"]["loaded by"] for _, reply in replies)) > 1
