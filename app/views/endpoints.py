"""Endpoints, as people and programs see them."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime

from app.output import At, Output, Styled, Table
from runners.actions.endpoints import EndpointStatus, Started
from runners.serving.tokens import Token
from screens import figures
from storage.accesses import Access

_STYLES = {"serving": "green", "failing": "red", "dead": "red", "starting": "yellow", "stopped": "dim"}


def show_started(out: Output, found: Started) -> None:
    """Where it serves, and how to ask it."""
    facts = {key: value for key, value in asdict(found).items() if value != ""}
    out.finish(**facts)
    if out.json_lines:
        return
    word = "serves already" if found.already else "serves"
    out.say(f"{found.model} v{found.version} {word} at {found.url}", "green")
    if found.token:
        out.say(f"token, told only now: {found.token}")
    out.say(f"its documentation, with an example to send: {found.url}/schema (the token is the password)")


def show_endpoints(out: Output, found: list[EndpointStatus]) -> None:
    """One line an endpoint."""
    for each in found:
        out.emit("endpoint", asdict(each))
    out.finish(endpoints=len(found))
    if not found:
        if not out.json_lines:
            out.note("no endpoints yet; `trainshed endpoints start MODEL` makes one")
        return
    table = Table(["endpoint", "state", "version", "url", "answered", "p99", "trouble"], align="lllllrl")
    table.rows = [
        [
            each.name,
            Styled(each.state, _STYLES.get(each.state, "")),
            f"v{each.version}" if each.version is not None else "",
            each.url,
            figures.number(each.counters.get("answered", 0)),
            _below(each.latency_ms[1]),
            each.trouble,
        ]
        for each in found
    ]
    out.table(table)


def show_status(out: Output, found: EndpointStatus) -> None:
    """Everything about one endpoint."""
    out.finish(**asdict(found))
    counters = found.counters
    lost = counters.get("log_dropped", 0)
    out.fields(
        [
            ("endpoint", found.name),
            ("state", Styled(found.state, _STYLES.get(found.state, ""))),
            ("serves", f"{found.model} v{found.version}" if found.version is not None else None),
            ("beside", found.beside or None),
            ("since", At(found.since) if found.since else None),
            ("follows", f"{found.model}@{found.alias}"),
            ("trouble", Styled(found.trouble, "red") if found.trouble else None),
            ("url", found.url),
            ("by", f"{found.user} on {found.host}"),
            ("digest", found.digest),
            ("swaps", found.swaps),
            ("workers", "\n".join(_worker(worker) for worker in found.workers)),
            ("answered", counters.get("answered")),
            ("refused", f"{counters.get('refused', 0)}, and {counters.get('unauthorized', 0)} without a right"),
            ("failed", counters.get("failed")),
            ("queue full", counters.get("shed")),
            ("latency", f"p50 {_below(found.latency_ms[0])}, p99 {_below(found.latency_ms[1])}"),
            ("logged", f"{counters.get('log_written', 0)}" + (f", {lost} lost" if lost else "")),
        ]
    )


def show_access(out: Output, found: Access) -> None:
    """One request: when, who, what, and how it was answered."""
    out.emit("access", **found.facts())
    if out.json_lines:
        return
    at = datetime.fromtimestamp(found.at).strftime("%Y-%m-%d %H:%M:%S.%f")[:-3]
    asked = f"{found.method} {found.path}" if found.method else "no HTTP"
    who = f"{found.remote or 'unix'} {found.token or '-'}"
    style = "red" if found.status >= 500 or not found.status else "yellow" if found.status >= 400 else ""
    out.say(f"{at}  {who}  {asked}  {found.status}  {found.bytes} B  {found.ms:.1f} ms  {found.id}".rstrip(), style)


def show_tokens(out: Output, found: list[Token]) -> None:
    """Names and scopes; the tokens themselves are kept nowhere."""
    for token in found:
        out.emit("token", name=token.name, scope=token.scope, created=At(token.created_at), by=token.created_by)
    out.finish(tokens=len(found))
    rows = [[token.name, token.scope, At(token.created_at), token.created_by] for token in found]
    out.table(Table(["token", "scope", "created", "by"], rows))


def _worker(worker: dict[str, object]) -> str:
    process = worker["process"]
    pid = process.get("pid") if isinstance(process, dict) else "?"
    restarts = worker["restarts"]
    return f"pid {pid}" + (f", started again {restarts} times" if restarts else "")


def _below(milliseconds: float | None) -> str:
    return "" if milliseconds is None else f"≤ {milliseconds:g} ms" if milliseconds != float("inf") else "> 5 s"
