"""The page of examples/site in a browser without a screen: it presses its buttons, and this reads what a visitor sees."""

import html
import os
import re
import shutil
import signal
import subprocess

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
KEY = "site:1:user:7"


def find_browser():
    """One that runs: on some systems the name is that of a script that only says what to install."""
    for name in BROWSERS:
        program = shutil.which(name)
        if program and subprocess.run([program, "--version"], capture_output=True).returncode == 0:
            return program
    return None


def look_at(browser, address, folder):
    """The document when its script has come to rest. A picture of it stays in the folder. The clock is the page's own and
    stands still while an answer is awaited: nobody's speed is judged."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    picture = folder / "page.png"
    command = [browser, "--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--disable-breakpad", "--no-first-run",
               "--disable-background-networking", "--no-proxy-server", f"--user-data-dir={folder / 'profile'}",
               "--hide-scrollbars", "--window-size=1000,935", "--force-device-scale-factor=1.5",
               f"--screenshot={picture}", "--virtual-time-budget=20000", "--dump-dom", address]
    with open(folder / "browser.log", "wb") as log:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, start_new_session=True)
        try:
            document, _ = process.communicate(timeout=120)
        finally:
            # It has children, which are of its session.
            try:
                os.killpg(process.pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
            process.wait()
    shutil.rmtree(folder / "profile", ignore_errors=True)
    assert process.returncode == 0, f"the browser ended with {process.returncode}; see {folder / 'browser.log'}"
    assert picture.read_bytes().startswith(b"\x89PNG\r\n\x1a\n"), f"{picture} is no picture"
    return document.decode()


def between(before, after, text):
    return re.findall(re.escape(before) + "(.*?)" + re.escape(after), text, re.DOTALL)


def rows(document):
    """What the log says, the oldest first: cells as text, and for a lifetime only that there is one."""
    (log,) = between('<tbody id="log">', "</tbody>", document)
    cells = [re.findall(r"<td[^>]*>(.*?)</td>", row, re.DOTALL) for row in between("<tr>", "</tr>", log)]
    return [[re.sub(r"^\d+ s$", "some s", html.unescape(cell)) for cell in row] for row in reversed(cells)]


def herd(document, whom):
    """Who answered, who of them loaded, and the words behind the dots."""
    (drawn,) = between(f'id="herd-{whom}">', "</div>", document)
    dots = [dot.split() for dot in between('<i class="', '"', drawn)]
    (words,) = between("<span>", "</span>", drawn)
    return [dot[0] for dot in dots], [dot[0] for dot in dots if "loaded" in dot], words


def both_read(value=None, by=""):
    found = ["hit", KEY, f'"{value}"', by, "some s"] if value else ["miss", KEY, "", "", ""]
    return [[who, "read", *found] for who in ("C", "Django")]


def written(who, value):
    return [who, "write", "", KEY, f'"{value}"', who, "some s"]


def check(document, same, layout):
    wanted = [
        *both_read(),
        written("C", "Ada"),
        *both_read("Ada", "C"),
        written("Django", "Grace"),
        *both_read("Grace", "Django"),
        ["C", "delete_pattern", "", "", "1 deleted", "", ""],
        *both_read(),
    ]
    same(rows(document), wanted, "the log on the page")
    for whom in ("C", "Django"):
        answered, loaded, words = herd(document, whom)
        same((answered, loaded), ([whom] * 20, [whom]), f"the dots of {whom}")
        assert re.fullmatch(r"1 load, 20 answers, \d+ ms", words), words
    answered, loaded, words = herd(document, "both")
    same(answered, ["C", "Django"] * 10, "the dots of both")
    # There are no leases in plain values: then each program may load.
    assert len(loaded) == 1 or layout == "plain" and sorted(loaded) == ["C", "Django"], loaded
    loads = "1 load" if len(loaded) == 1 else "2 loads"
    assert re.fullmatch(loads + r", 20 answers, \d+ ms", words), words
