"""Whether the load program is fast enough: wrk puts the same load on the same server."""

import os
import re
import subprocess
from collections.abc import Sequence
from pathlib import Path
from statistics import median

from bench.harness.load import measure
from bench.harness.settings import CACHE, Settings
from bench.harness.sweeps.section import CONNECTIONS, Section, found
from bench.harness.targets.base import HTTP_TO_HTTP, Target

__all__ = ["compare_with_wrk"]

_SCRIPT = """
wrk.method = "POST"
wrk.headers["Content-Type"] = "application/json"
wrk.headers["Accept"] = "application/json, text/event-stream"
wrk.body = '{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"answer","arguments":{"size":200}}}'
"""


def compare_with_wrk(targets: Sequence[Target], settings: Settings, folder: Path) -> Section:
    """Call by both, in turns."""
    script = folder / "call.lua"
    script.write_text(_SCRIPT)
    rows = []
    for target in found(targets, HTTP_TO_HTTP, "direct", "nginx"):
        wrk, own = [], []
        for _ in range(settings.rounds):
            wrk.append(_wrk(target.url, script, settings))
            one = measure(target, connections=CONNECTIONS, seconds=settings.seconds, warm_up=settings.warm_up)
            own.append(one.rate)
        rows.append((target.name, f"{median(wrk):.0f}", f"{median(own):.0f}", f"{median(own) / median(wrk):.2f}"))
    head = ("target", "calls/s by wrk", "by bench/load", "ratio")
    text = f"HTTP → HTTP, {CONNECTIONS} connections. wrk (one thread) sends one fixed call and looks at no answer."
    return Section("Whether the load program is the limit", text, head, rows)


def _wrk(url: str, script: Path, settings: Settings) -> float:
    libraries = ":".join(str(folder) for folder in CACHE.glob("libluajit-5.1-2/usr/lib/*-linux-gnu"))
    seconds = max(1, round(settings.seconds))  # it knows whole ones only
    done = subprocess.run(
        [str(CACHE / "wrk/usr/bin/wrk"), "-t1", f"-c{CONNECTIONS}", f"-d{seconds}s", "-s", str(script), url],
        env={**os.environ, "LD_LIBRARY_PATH": libraries},
        capture_output=True,
        text=True,
        check=True,
        timeout=seconds + 60,
    )
    told = re.search(r"Requests/sec:\s+([\d.]+)", done.stdout)
    return float(told[1]) if told else 0.0
