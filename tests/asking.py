"""Callers of a real endpoint, who go on asking while a test does something to it."""

from __future__ import annotations

import threading
from collections import Counter

import httpx

from tests.served import RECORD, probability

RECORDS = [{**RECORD, "distance": float(distance), "day": day} for distance in (100, 700, 2500) for day in (1, 2, 3)]


class Asking:
    """Threads that ask all the time.

    `answers` are version and whether it is what that version says, by the `biases` of the digests; `failed` is counted
    by status, or by the error's name where none was sent.
    """

    def __init__(self, client: httpx.Client, biases: dict[str, float]) -> None:
        self.answers: Counter[tuple[int, bool]] = Counter()
        self.failed: Counter[str] = Counter()
        self._client = client
        self._biases = biases
        self._ended = threading.Event()
        self._threads = [threading.Thread(target=self._ask, args=(place,)) for place in range(3)]

    def __enter__(self) -> Asking:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        for thread in self._threads:
            thread.join()

    def _ask(self, place: int) -> None:
        while not self._ended.is_set():
            place += 1
            record = RECORDS[place % len(RECORDS)]
            try:
                found = self._client.post("/predict", json=record)
            except httpx.TransportError as err:
                self.failed[type(err).__name__] += 1
                continue
            if found.status_code != 200:
                self.failed[str(found.status_code)] += 1
                continue
            told = found.json()
            expected = probability(record, self._biases[told["digest"]])
            self.answers[told["version"], abs(told["prediction"]["probability"] - expected) < 1e-6] += 1
