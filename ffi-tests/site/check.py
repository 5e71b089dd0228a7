"""The site of examples/site, asked as a browser would, and by a browser where one is: chromium. Within
`run.sh python3 check.py FOLDER`, where FOLDER/page.png will be what it has shown."""

import base64
import json
import os
import socket
import sys
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import urlopen

import page

DOCS = Path(__file__).parents[2] / "docs"
LAYOUT = os.environ["SITE_LAYOUT"]
C, DJANGO = os.environ["SITE_C"], os.environ["SITE_DJANGO"]
BOTH = {"C": C, "Django": DJANGO}


def ask(address, body=None):
    """The status and the answer: of a POST where there is a body."""
    try:
        with urlopen(address, data=body, timeout=120) as response:
            return response.status, json.load(response)
    except HTTPError as refused:
        return refused.code, None


def same(told, wanted, about):
    assert told == wanted, f"{about}: {told!r}, not {wanted!r}"


def written_by(writer, reader, name):
    user = f"/users/{writer}-{reader}"
    value = {"name": name, "by": writer}
    status, missed = ask(BOTH[reader] + user)
    same((status, missed["who"], missed["cache"]), (200, reader, "miss"), f"{reader} before {writer} wrote")
    status, wrote = ask(BOTH[writer] + user, name.encode())
    same((status, wrote.get("value")), (200, value), f"{writer} wrote")
    status, read = ask(BOTH[reader] + user)
    same((status, read["cache"], read.get("value")), (200, "hit", value), f"{reader} read what {writer} wrote")
    same(read["key"], f"site:1:user:{writer}-{reader}", "the key on the wire")
    assert 0 < read["ttl_ms"] <= 60_000, read


def forgotten_by(who):
    ask(f"{C}/users/one", b"1")
    ask(f"{DJANGO}/users/two", b"2")
    ask(f"{C}/report")
    status, told = ask(f"{BOTH[who]}/forget", b"")
    # Those of written_by() are there, or were forgotten before.
    assert status == 200 and told["deleted"] >= 2, told
    for other in BOTH.values():
        same([ask(f"{other}/users/{name}")[1]["cache"] for name in ("one", "two")], ["miss"] * 2, f"after {who} forgot")
    same(ask(f"{DJANGO}/report")[1]["loaded"], False, "what the pattern does not mean")


def herd_at(who):
    status, told = ask(f"{DJANGO}/herd/{who}")
    answers = told["answers"]
    same((status, told["loads"], len(answers)), (200, 1, 20), f"20 requests to {who}")
    same({one["who"] for one in answers}, {who}, f"who answered for {who}")
    same(len({json.dumps(one["value"], sort_keys=True) for one in answers}), 1, f"values of {who}")
    same(answers[0]["value"]["by"], who, f"who loaded for {who}")


def herd_at_both():
    status, told = ask(f"{DJANGO}/herd/both")
    answers = told["answers"]
    same((status, len(answers)), (200, 20), "20 requests to both")
    same({one["who"] for one in answers}, {"C", "Django"}, "who answered")
    # There are no leases in plain values: then each program may load.
    assert told["loads"] == 1 or LAYOUT == "plain" and told["loads"] == 2, told


def seen_in_a_browser(folder):
    browser = page.find_browser()
    if not browser:
        return "the page was not opened, for there is no chromium"
    ask(f"{C}/forget", b"")
    page.check(page.look_at(browser, f"{DJANGO}/#tour", folder), same, LAYOUT)
    return "the page shows it"


def redis_ends():
    with socket.socket(socket.AF_UNIX) as redis:
        redis.connect(os.environ["SITE_REDIS"])
        redis.sendall(b"SHUTDOWN NOSAVE\r\n")
        redis.recv(100)  # nothing, when it has ended


# The guide can show only what is written into its pages: there the picture of the README is inside a drawing.
picture = base64.b64encode((DOCS / "site.png").read_bytes()).decode()
assert picture in (DOCS / "site.svg").read_text(), "docs/site.svg is to have docs/site.png inside"

for writer, reader in (("C", "Django"), ("Django", "C"), ("C", "C"), ("Django", "Django")):
    written_by(writer, reader, 'Zoë "\\\n')
for who, address in BOTH.items():
    forgotten_by(who)
    herd_at(who)
    # The other one has it too: nobody loads again.
    same([ask(f"{other}/report")[1]["loaded"] for other in BOTH.values()], [False] * 2, f"the report of {who}")
    same(ask(f"{address}/users/long", b"x" * 101)[0], 413, f"{who}: a name that is too long")
    same(ask(f"{address}/users/long")[1]["cache"], "miss", f"{who}: after a name that is too long")
    same(ask(f"{address}/nothing")[0], 404, f"{who}: an address that is none")
herd_at_both()
with urlopen(DJANGO) as response:
    assert C in response.read().decode(), "the page does not know where the service is"
seen = seen_in_a_browser(Path(sys.argv[1]))
redis_ends()
for who, address in BOTH.items():
    same(ask(f"{address}/users/one")[0], 503, f"{who} without Redis")
    status, told = ask(f"{address}/report")
    same((status, told["loaded"], told["value"]["by"]), (200, True, who), f"the report of {who} without Redis")
print(f"site, {LAYOUT} values: C and Django read what the other wrote; 20 requests at once are one load at each; {seen}; without Redis they go on")
