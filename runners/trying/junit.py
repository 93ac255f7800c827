"""Outcomes as JUnit XML, which every CI system reads."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Protocol
from xml.etree import ElementTree

# What XML 1.0 cannot hold, escaped or not.
UNFIT = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


class Outcome(Protocol):
    """One question and its answer. `status` is passed, failed or `not asked`."""

    @property
    def name(self) -> str: ...
    @property
    def status(self) -> str: ...
    @property
    def text(self) -> str: ...
    @property
    def seconds(self) -> float: ...
    @property
    def details(self) -> str: ...


def xml(suite: str, outcomes: Sequence[Outcome], *, timestamp: str, host: str) -> bytes:
    """A JUnit report with one suite: a test case an outcome, those not asked as skipped with the reason."""
    counts = {
        "tests": len(outcomes),
        "failures": sum(outcome.status == "failed" for outcome in outcomes),
        "errors": 0,
        "skipped": sum(outcome.status == "not asked" for outcome in outcomes),
    }
    totals = {key: str(value) for key, value in counts.items()}
    totals["time"] = f"{sum(outcome.seconds for outcome in outcomes):.3f}"
    root = ElementTree.Element("testsuites", {"name": "trainshed test", **totals})
    about = {"name": _fit(suite), "hostname": _fit(host), "timestamp": timestamp}
    tests = ElementTree.SubElement(root, "testsuite", {**about, **totals})
    for outcome in outcomes:
        case = ElementTree.SubElement(
            tests, "testcase", classname=_fit(suite), name=_fit(outcome.name), time=f"{outcome.seconds:.3f}"
        )
        if outcome.status == "failed":
            failure = ElementTree.SubElement(case, "failure", message=_fit(outcome.text), type="failed")
            failure.text = _fit(outcome.details or outcome.text)
        elif outcome.status == "not asked":
            ElementTree.SubElement(case, "skipped", message=_fit(outcome.text))
        else:
            ElementTree.SubElement(case, "system-out").text = _fit(outcome.text)
    ElementTree.indent(root)
    written: bytes = ElementTree.tostring(root, encoding="utf-8", xml_declaration=True)
    return written


def _fit(text: str) -> str:
    return UNFIT.sub(lambda match: f"\\x{ord(match[0]):02x}", text)
