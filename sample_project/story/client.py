"""Who asks the endpoint, in a process of its own: `… client URL FOLDER RATE`, with the token in STORY_TOKEN.

FOLDER/month names the month whose flights it asks for, FOLDER/MONTH.jsonl has them. When the month is over it posts
what became of them. FOLDER/client.json is what it has to tell, written anew every second; SIGTERM ends it.
"""

from __future__ import annotations

import http.client
import itertools
import json
import os
import signal
import statistics
import sys
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

CONNECTIONS = 4
TOLD_S = 1.0
TRUTHS_AT_ONCE = 500
TIMEOUT_S = 30.0


class Client:
    """Asks at a steady rate, over connections that stay open; every answer that is no 200 is a failure."""

    def __init__(self, url: str, token: str, folder: Path, rate: float) -> None:
        self.address = urlsplit(url).netloc
        self.headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        self.folder = folder
        self.pause_s = CONNECTIONS / rate
        self.ended = threading.Event()
        self.lock = threading.Lock()
        self.month = ""
        self.rows = itertools.cycle([b""])
        self.truths: list[dict[str, Any]] = []  # of the month that is going on
        self.took_ms: list[float] = []
        self.failures: Counter[str] = Counter()
        self.versions: Counter[int] = Counter()
        self.of_month = 0
        self.posted = 0
        self.last_id = ""

    def run(self) -> None:
        self._turn_page()
        threads = [threading.Thread(target=self._ask, args=(place,)) for place in range(CONNECTIONS)]
        for thread in threads:
            thread.start()
        while not self.ended.wait(TOLD_S):
            self._turn_page()
            self._tell()
        for thread in threads:
            thread.join()
        self._tell()

    def _turn_page(self) -> None:
        """Go on with the month that it is now; of the one before, say what became of its flights."""
        month = (self.folder / "month").read_text().strip()
        if month == self.month:
            return
        rows = [json.loads(line) for line in (self.folder / f"{month}.jsonl").read_text().splitlines()]
        with self.lock:
            truths, self.truths = self.truths, []
            self.month, self.rows, self.of_month = month, itertools.cycle(rows), 0
        connection = self._connected()
        for start in range(0, len(truths), TRUTHS_AT_ONCE):
            part = truths[start : start + TRUTHS_AT_ONCE]
            if self._posted(connection, "/feedback", part) is not None:
                self.posted += len(part)
        connection.close()

    def _ask(self, place: int) -> None:
        connection = self._connected()
        due = time.monotonic() + place * self.pause_s / CONNECTIONS
        while not self.ended.wait(max(0.0, due - time.monotonic())):
            due = max(due + self.pause_s, time.monotonic() - 1.0)  # one that is late does not make up for it in a burst
            with self.lock:
                row, month = next(self.rows), self.month
            began = time.perf_counter()
            answer = self._posted(connection, "/predict", row["inputs"])
            if answer is None:
                connection.close()
                connection = self._connected()
                continue
            with self.lock:
                self.took_ms.append((time.perf_counter() - began) * 1000)
                self.versions[answer["version"]] += 1
                self.last_id = answer["id"]
                if month == self.month:
                    self.of_month += 1
                    self.truths.append({"id": answer["id"], "truth": row["truth"]})

    def _posted(self, connection: http.client.HTTPConnection, path: str, body: Any) -> Any:
        """The answer; None where there was none, which is counted."""
        try:
            connection.request("POST", path, json.dumps(body), self.headers)
            found = connection.getresponse()
            text = found.read()
            if found.status == 200:
                return json.loads(text)
            why = f"{found.status} {text[:200].decode(errors='replace')}"
        except (OSError, http.client.HTTPException) as err:
            why = repr(err)
        with self.lock:
            self.failures[why] += 1
        return None

    def _connected(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection(self.address, timeout=TIMEOUT_S)

    def _tell(self) -> None:
        with self.lock:
            took = self.took_ms or [0.0]
            facts = {
                "month": self.month,
                "of_month": self.of_month,
                "answered": len(self.took_ms),
                "failed": self.failures.total(),
                "failures": dict(self.failures.most_common(5)),
                "p50_ms": statistics.median(took),
                "p99_ms": sorted(took)[len(took) * 99 // 100],
                "versions": {str(version): count for version, count in sorted(self.versions.items())},
                "truths": self.posted,
                "last_id": self.last_id,
            }
        fresh = self.folder / ".client.json"
        fresh.write_text(json.dumps(facts))
        fresh.replace(self.folder / "client.json")


if __name__ == "__main__":
    client = Client(sys.argv[1], os.environ["STORY_TOKEN"], Path(sys.argv[2]), float(sys.argv[3]))
    signal.signal(signal.SIGTERM, lambda *_: client.ended.set())
    client.run()
