#!/usr/bin/env python3
"""report.py FINDINGS KIND OUT [README]: makes OUT/RESULTS.md and its drawings of what the harness found (see bench.c),
and the table of the README, between its two marks."""
import os
import platform
import subprocess
import sys
from html import escape

OURS = "redis_cache"
COLOURS = {OURS: "#d9480f", "redis_cache, parser=redis": "#f0a36b", "redis_cache, pipelining=off": "#f5c4a0", "hiredis": "#3b82c4", "libvalkey": "#7a6fc9",
           "redis-plus-plus": "#2a9d9d", "valkey-glide": "#b8578f", "redis crate + r2d2": "#4a9d5b"}
FILES = {"redis_cache": OURS, "parser": "redis_cache, parser=redis", "redis_crate": "redis crate + r2d2"}


def read(path):
    rows, calls, skipped, facts, versions = {}, {}, [], [], []
    for text in open(path, encoding="utf-8"):
        fields = text.rstrip("\n").split("\t")
        kind, _, first = fields[0].partition(" ")
        if kind == "#":
            skipped.append((first, fields[1], fields[2]))
        elif kind == "=":
            facts.append((first, fields[1]))
        elif kind == "~":
            calls.setdefault(FILES.get(fields[1], fields[1]), {})[first] = float(fields[2]) / 100
        elif kind == "@":
            versions.append((first, fields[1]))
        else:
            rows.setdefault(fields[0], {})[fields[1]] = [None if f == "-" else float(f) for f in fields[2:]]
    return rows, calls, skipped, facts, versions


def number(value, form="{:,.0f}"):
    return "-" if value is None else form.format(value).replace(",", " ")


def table(head, lines):
    yield "| " + " | ".join(head) + " |"
    yield "|---" + "|---:" * (len(head) - 1) + "|"
    for line in lines:
        yield "| " + " | ".join(line) + " |"
    yield ""


def throughput(rows):
    for workload, peers in rows.items():
        for peer, (rate, ratio, user, allocs, *_) in peers.items():
            yield workload, peer, number(rate), number(ratio, "{:.2f}"), number(user), number(allocs, "{:.1f}")


def latency(rows, ratios):
    for workload, peers in rows.items():
        for peer, (rate, ratio, _, _, *late) in peers.items():
            first = [number(rate), number(ratio, "{:.2f}")] if ratios else []
            yield workload, peer, *first, *(number(ns / 1000, "{:,.1f}") for ns in late)


def first_screen(rows):
    """What the README shows: ours over the others, at a glance."""
    peers = ["hiredis", "redis-plus-plus", "redis crate + r2d2", "valkey-glide"]
    shown = {"GET 100 B": "GET of 100 B", "SET 100 B": "SET of 100 B", "GET 1 MB": "GET of 1 MB", "MGET 100, single": "MGET of 100 keys",
             "threads 8:8": "GET, 8 threads, 8 connections", "threads 64:8": "GET, 64 threads, 8 connections"}
    yield from table(["throughput of redis_cache over that of", *peers], (
        [shown[name], *(number(rows[name][p][1], "{:.2f}") if p in rows[name] else "-" for p in peers)] for name in shown))
    cost = rows["GET 100 B"]
    yield f"A GET of 100 B makes {cost[OURS][3]:.0f} allocation here, " + ", ".join(
        f"{cost[p][3]:.0f} in {'the ' * p.startswith('redis crate')}{p}" for p in peers if p in cost) + " (in the calling thread)."
    if os.environ.get("BENCH_NOTE"):
        yield ""
        yield os.environ["BENCH_NOTE"]


def drawing(rows, title):
    """Bars of throughput over ours: the same on light and on dark paper, for the text takes the reader's colour."""
    bars, y = [], 34
    longest = max(1 / found[1] for peers in rows.values() for found in peers.values())
    for workload, peers in rows.items():
        bars.append(f'<text x="150" y="{y + 11}" text-anchor="end">{escape(workload)}</text>')
        for peer, found in peers.items():
            share = 1 / found[1]
            width = share / longest * 420
            bars.append(f'<rect x="158" y="{y}" width="{width:.0f}" height="12" fill="{COLOURS.get(peer, "#888")}"/>')
            bars.append(f'<text x="{164 + width:.0f}" y="{y + 11}">{share:.2f} {escape(peer)}</text>')
            y += 15
        y += 8
    style = "text{font:12px sans-serif;fill:#24292f}@media(prefers-color-scheme:dark){text{fill:#d0d7de}}"
    return (f'<svg xmlns="http://www.w3.org/2000/svg" width="760" height="{y}" viewBox="0 0 760 {y}" role="img">'
            f"<title>{escape(title)}</title><style>{style}</style>"
            f'<text x="0" y="16" font-weight="bold">{escape(title)}</text>' + "\n".join(bars) + "</svg>\n")


def processor():
    for text in open("/proc/cpuinfo", encoding="utf-8"):
        if text.startswith("model name"):
            return text.partition(":")[2].strip()
    return platform.machine()


def main():
    findings, kind, out, *readme = sys.argv[1:]
    rows, calls, skipped, facts, versions = read(findings)
    if not rows or any(OURS not in peers for peers in rows.values()):
        sys.exit("report.py: the run is not whole")
    server = subprocess.run([os.environ["BENCH_SERVER"], "--version"], capture_output=True, text=True, check=True).stdout
    began = os.environ.get("BENCH_LOAD", "unknown")
    doc = [
        "# Results", "",
        f"Made by `make bench` ({kind} run). Medians of short slices; all peers took turns; quote the ratios, for wall",
        "times vary with the machine; they are medians over rounds too. Clients and servers share its processors; all is TCP.", "",
        f"- machine: {processor()}, {os.cpu_count()} processors, {platform.system()} {platform.release()}",
        f"- load before the run: {began}; after it: {os.getloadavg()[0]:.2f} (the run's own load is in it)",
        f"- server: {server.strip()}",
        "- peers: " + ", ".join(f"{name} {version}" for name, version in versions), "",
    ]
    if os.environ.get("BENCH_NOTE"):
        doc += [os.environ["BENCH_NOTE"], ""]
    threads = {name: rows[name] for name in rows if name.startswith("threads")}
    timed = {name: rows[name] for name in rows if name.endswith("/s")}
    others = {name: rows[name] for name in rows if name not in threads and name not in timed}
    drawings = {
        "one-key": ("One key: throughput, redis_cache = 1", {n: others[n] for n in others if n.startswith(("GET", "SET"))}),
        "threads": ("GET 100 B, threads:connections: throughput, redis_cache = 1", threads),
    }
    for name, (title, some) in drawings.items():
        with open(f"{out}/{name}.svg", "w", encoding="utf-8") as file:
            file.write(drawing(some, title))
        doc += [f"![{title}]({name}.svg)", ""]
    doc += ["## Throughput", "", "Per second; ours over the peer's (above 1, ours is faster); user CPU of the process, and allocations of the",
            "calling thread, per operation. MSET is SETs with a time to live, in one pipeline.", ""]
    doc += table(["workload", "client", "per second", "ours / its", "user CPU, ns", "allocations"], throughput(others))
    doc += ["## Threads", "", "GET of 100 B, threads:connections, and how long a call took, in microseconds. valkey-glide has one connection,",
            "whatever is asked for, and threads of its own.", ""]
    doc += table(["threads", "client", "per second", "ours / its", "p50", "p99", "p99.9"], latency(threads, True))
    doc += ["## Latency at a fixed rate", "", "From when a question was due, in microseconds.", ""]
    doc += table(["workload", "client", "p50", "p99", "p99.9"], latency(timed, False))
    doc += ["## System calls", "", "Per operation, all threads, by strace; MGET is of 100 keys.", ""]
    if calls:
        names = ["GET", "SET", "MGET"]
        doc += table(["client", *names], ([p, *(number(c.get(n), "{:.1f}") for n in names)] for p, c in calls.items()))
    doc += ["## Other figures", ""] + [f"- {name}: {value}" for name, value in facts] + [
        "- instructions of each operation: `make -C ffi-tests count`", "", "## Left out", ""]
    doc += [f"- {peer}, {workload}: {why}" for workload, peer, why in skipped]
    with open(f"{out}/RESULTS.md", "w", encoding="utf-8") as file:
        file.write("\n".join(doc) + "\n")
    print(f"{out}/RESULTS.md")
    for path in readme:
        with open(path, encoding="utf-8") as file:
            before, begin, rest = file.read().partition("<!-- make bench -->\n")
            _, end, after = rest.partition("<!-- end of make bench -->\n")
        if not end:
            sys.exit(f"report.py: {path} has no place for the table")
        with open(path, "w", encoding="utf-8") as file:
            file.write(before + begin + "\n".join(first_screen(rows)) + "\n" + end + after)


main()
