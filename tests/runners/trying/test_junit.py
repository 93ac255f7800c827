from __future__ import annotations

from xml.etree import ElementTree

from runners.actions.testing import Check
from runners.trying import junit

CHECKS = [
    Check("train", "passed", "a model", 1.25),
    Check("loss falls", "failed", 'goes from 1 to 2 & "more" <tag>', 0.0, "all of it\x1b[31m\x00 \ud800 ünï"),
    Check("own tests", "not asked", "there is no folder tests/", 0.0),
]


def test_every_check_is_a_test_case_and_ci_can_count_them() -> None:
    written = junit.xml("flight-delay", CHECKS, timestamp="2026-01-01T00:00:00Z", host="box")
    root = ElementTree.fromstring(written)
    assert written.startswith(b"<?xml") and root.tag == "testsuites"
    (suite,) = root
    assert (suite.get("tests"), suite.get("failures"), suite.get("skipped"), suite.get("errors")) == (
        "3",
        "1",
        "1",
        "0",
    )
    assert suite.get("time") == "1.250" and suite.get("hostname") == "box"
    passed, failed, skipped = suite.findall("testcase")
    assert passed.get("name") == "train" and passed.find("failure") is None and passed.find("skipped") is None
    failure = failed.find("failure")
    assert failure is not None and failure.get("message") == 'goes from 1 to 2 & "more" <tag>'
    assert failed.get("classname") == "flight-delay"
    reason = skipped.find("skipped")
    assert reason is not None and "no folder tests/" in str(reason.get("message"))


def test_characters_that_xml_cannot_hold_are_written_out() -> None:
    root = ElementTree.fromstring(junit.xml("p\x00", CHECKS, timestamp="", host=""))
    failure = root.find(".//failure")
    assert failure is not None and failure.text == "all of it\\x1b[31m\\x00 \\xd800 ünï"
