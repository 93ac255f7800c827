"""Secrets in code and diffs: found by their shape, named by kind and line, never shown."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

REMOVED = "[secret removed]"


@dataclass(frozen=True)
class Finding:
    """One secret: its line (from 1), what kind it is, and where its characters stand in the text."""

    line: int
    kind: str
    start: int
    end: int


@dataclass(frozen=True)
class _Shape:
    """What one kind of secret looks like. `signs` are literals, one of which every match holds, in lower case."""

    kind: str
    signs: tuple[str, ...]
    pattern: re.Pattern[str]


_NAMED = r"(?:pass(?:word|wd|phrase)|secret|token|api[_-]?key|access[_-]?key|private[_-]?key|credential)"
_NAMED_SIGNS = (
    "passw",
    "passphrase",
    "secret",
    "token",
    "apikey",
    "api_key",
    "api-key",
    "access",
    "private",
    "credential",
)
_SHAPES = [
    _Shape(
        "private key",
        ("private key-----",),
        re.compile(
            r"-----BEGIN [A-Z ]*PRIVATE KEY-----"
            r"(?:[^\0]{0,20000}?-----END [A-Z ]*PRIVATE KEY-----|(?:\n[+\- ]?[A-Za-z0-9+/=]+)*)"
        ),
    ),
    _Shape("AWS access key", ("akia", "asia"), re.compile(r"\b((?:AKIA|ASIA)[A-Z0-9]{16})\b")),
    _Shape(
        "GitHub token",
        ("ghp_", "gho_", "ghu_", "ghs_", "ghr_", "github_pat_"),
        re.compile(r"\b(gh[pousr]_[A-Za-z0-9]{36,}|github_pat_[A-Za-z0-9_]{22,})"),
    ),
    _Shape("GitLab token", ("glpat-",), re.compile(r"\b(glpat-[A-Za-z0-9_-]{20,})")),
    _Shape("Slack token", ("xox",), re.compile(r"\b(xox[abeprs]-[A-Za-z0-9-]{10,})")),
    _Shape(
        "Slack webhook", ("hooks.slack.com",), re.compile(r"(https://hooks\.slack\.com/services/[A-Za-z0-9/_+-]{20,})")
    ),
    _Shape("API key", ("sk-",), re.compile(r"\b(sk-(?=[\w-]*\d)(?=[\w-]*[A-Z])[A-Za-z0-9_-]{20,})")),
    _Shape("API key", ("sk_live_", "rk_live_"), re.compile(r"\b([sr]k_live_[A-Za-z0-9]{20,})")),
    _Shape("Google API key", ("aiza",), re.compile(r"\b(AIza[A-Za-z0-9_-]{35})")),
    _Shape("Hugging Face token", ("hf_",), re.compile(r"\b(hf_[A-Za-z0-9]{30,})\b")),
    _Shape("package registry token", ("npm_", "pypi-"), re.compile(r"\b(npm_[A-Za-z0-9]{36}|pypi-[A-Za-z0-9_-]{50,})")),
    _Shape(
        "JSON web token", ("eyj",), re.compile(r"\b(eyJ[A-Za-z0-9_-]{8,}\.eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,})")
    ),
    _Shape("password in a URL", ("://",), re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://[^/\s:@\"']*:([^/\s@\"']+)@")),
    _Shape(
        "password or key",
        _NAMED_SIGNS,
        re.compile(
            rf"{_NAMED}[\w-]*[\"']?\]?\s*(?::\s*\w+\s*)?[:=]>?\s*[rbuf]?[\"']([^\"'\n]{{6,}})[\"']", re.IGNORECASE
        ),
    ),
    _Shape(
        "password or key",
        _NAMED_SIGNS,
        re.compile(rf"{_NAMED}[\w-]*[\"']?\s*[:=]\s*([A-Za-z0-9+/=_-]{{16,}})\s*$", re.IGNORECASE | re.MULTILINE),
    ),
]
_GUESSED = {"password or key", "password in a URL"}  # known by the name beside them, not by their own form
_PLACEHOLDER = re.compile(
    r"^[<{$%*]|\$\{|\{\w*\}|^(?:x+|\.+|pass|passwd|password|secret|token)$"
    r"|example|change.?me|placeholder|your[_-]|dummy|redacted|removed\]|^env:",
    re.IGNORECASE,
)
_CODE = re.compile(r"\\|^[~.]{0,2}/|^[A-Za-z_]\w*(?:[./][A-Za-z_]\w*|\.\d+)+$")  # a pattern, a path, a dotted name


def scan(text: str) -> list[Finding]:
    """Every secret in `text`, in order; of two that overlap the first.

    Passwords are known by the name they are given to and by looking random: `password = "hunter2-Vx81q"` is found,
    `password = "password"`, `token = "<unk>"` and `secret = os.environ["X"]` are not.
    """
    lowered = text.lower()
    found = [
        Finding(text.count("\n", 0, start) + 1, shape.kind, start, end)
        for shape in _SHAPES
        if any(sign in lowered for sign in shape.signs)
        for start, end in _matches(shape, text)
    ]
    found.sort(key=lambda finding: (finding.start, -finding.end))
    kept: list[Finding] = []
    for finding in found:
        if not kept or finding.start >= kept[-1].end:
            kept.append(finding)
    return kept


def redact(text: str) -> str:
    """`text` with every secret blacked out."""
    pieces, position = [], 0
    for finding in scan(text):
        pieces += [text[position : finding.start], REMOVED]
        position = finding.end
    return "".join([*pieces, text[position:]])


def is_secret_name(name: str) -> bool:
    """Whether a variable of this name is likely to hold a secret."""
    return re.search(rf"{_NAMED}|(?:^|_)(?:key|auth|pwd|pass)(?:_|$)", name, re.IGNORECASE) is not None


def _matches(shape: _Shape, text: str) -> Iterator[tuple[int, int]]:
    for match in shape.pattern.finditer(text):
        group = 1 if shape.pattern.groups else 0
        value = match[group]
        if shape.kind not in _GUESSED or (
            not _PLACEHOLDER.search(value) and (shape.kind == "password in a URL" or _looks_random(value))
        ):
            yield match.span(group)


def _looks_random(value: str) -> bool:
    """Letters mixed with digits or signs and little repetition: neither a word, a number, a sentence nor code."""
    if (
        " " in value
        or not re.search(r"[A-Za-z]", value)
        or not re.search(r"[^A-Za-z_./-]", value)
        or _CODE.search(value)
    ):
        return False
    counts = Counter(value)
    bits = -sum(n / len(value) * math.log2(n / len(value)) for n in counts.values())
    return bits >= 2.75
