"""What the app says by itself: two messages at most, three lines each, gone after a while, and all to be read again."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from textual import events
from textual.app import App
from textual.notifications import Notification, Notify, SeverityLevel

from screens import figures
from screens.inert import inert_lines
from screens.ink import Line, Span, cut, line, span, width_of, wrapped

if TYPE_CHECKING:
    from storage.errors import TrainshedError

STAYS_S: dict[SeverityLevel, float] = {"information": 5.0, "warning": 6.0, "error": 12.0}
REMARK_S = 3.0
AT_ONCE = 2
LINES = 3
WIDEST = 64  # as the style has it, and at most nine tenths of the screen
EDGE = 3  # its border and padding
KEPT = 200
MARK = " … M"  # there is more of it, and the key
SIGNS: dict[SeverityLevel, Span] = {
    "information": Span("·", "accent"),
    "warning": Span("!", "attention"),
    "error": Span("✗", "failed"),
}


@dataclass(frozen=True)
class Said:
    """A message in full; `times` is how often in a row."""

    at: float
    severity: SeverityLevel
    text: str
    times: int = 1


class Telling(App[int]):
    """An app that says what came of a key."""

    def __init__(self, *, ansi_color: bool | None) -> None:
        super().__init__(ansi_color=ansi_color)
        self.said: deque[Said] = deque(maxlen=KEPT)

    def say(self, text: str, severity: SeverityLevel = "information") -> None:
        """A message that goes away by itself."""
        told = inert_lines(text)
        last = self.said[-1] if self.said else None
        if last is not None and (last.severity, last.text) == (severity, told):
            self.said[-1] = replace(last, at=time.time(), times=last.times + 1)
        else:
            self.said.append(Said(time.time(), severity, told))
        room = min(WIDEST, self.size.width * 9 // 10) - EDGE
        self.notify(shortened(told, room), severity=severity, markup=False, timeout=STAYS_S[severity])

    def tell(self, err: TrainshedError) -> None:
        """What went wrong, where, what was expected, and what to do next."""
        head = f"{err.place}: {err.message}" if err.place else err.message
        told = [head[:1].upper() + head[1:]]
        told += [f"expected: {err.expected}"] if err.expected else []
        told += [f"next: {err.todo}"] if err.todo else []
        self.say("\n".join(told), "error")

    def _on_notify(self, event: Notify) -> None:
        """Make room for it. Textual shows it afterwards: it calls the method of this name of every class."""
        for each in in_the_way(list(self._notifications), event.notification):
            self._unnotify(each, refresh=False)

    def remark_on(self, event: events.Key) -> None:
        """Nothing is done by this key where it was typed: said in place of the keys, or beside a dialog."""
        from screens.widgets.keys import Keys, key_name, within_reach

        if event.character is None or not event.character.isprintable():
            return
        typed = span(key_name(event.key) if event.character == " " else event.character, "accent")
        told = [Span(" "), typed, Span(" does nothing here", "dim")]
        lists = next((keys for _, action, keys in within_reach(self.screen) if action.id == "app.help"), "")
        if lists:
            told += line(Span(" · ", "faint"), Span(lists, "accent"), Span(" lists the keys", "dim"))
        for keys in self.screen.query(Keys):
            keys.remark(told, REMARK_S)
            return
        self.notify("".join(part.text for part in told).strip(), markup=False, timeout=REMARK_S)

    def forget_remark(self) -> None:
        from screens.widgets.keys import Keys

        for keys in self.screen.query(Keys):
            keys.remark([], 0.0)

    def do_messages(self) -> None:
        from screens.dialogs import Reading

        said = list(reversed(self.said))
        self.clear_notifications()  # they are among them
        self.push_screen(Reading("messages, the latest first", lambda width: messages_told(said, width)))


def in_the_way(shown: list[Notification], new: Notification) -> list[Notification]:
    """Of the messages on the screen, from the oldest on, those that give way: the same one, and those that are too
    many, errors last."""
    same = [each for each in shown if each.message == new.message]
    others = sorted((each for each in shown if each not in same), key=lambda each: each.severity == "error")
    return same + others[: max(0, len(others) - (AT_ONCE - 1))]


def shortened(text: str, width: int) -> str:
    """At most so many lines of so many cells: the first of every paragraph, and more of the first where there is room;
    where something is left out, the last line says by which key it is read."""
    told = [[_plain(part) for part in wrapped(paragraph, width)] for paragraph in text.split("\n")]
    if sum(map(len, told)) <= LINES:
        return text
    told = [*told[: LINES - 1], told[-1]] if len(told) > LINES else told
    taken = [1] * len(told)
    for place, part in enumerate(told):
        taken[place] += min(len(part) - 1, LINES - sum(taken))
    lines = [each for part, count in zip(told, taken, strict=True) for each in _cut(part, count, width)]
    return "\n".join([*lines[:-1], _plain(cut([Span(lines[-1])], width - len(MARK))).rstrip("… ") + MARK])


def _cut(lines: list[str], count: int, width: int) -> list[str]:
    """The first `count` of these lines, the last of them with an ellipsis where there are more."""
    if len(lines) <= count:
        return lines
    last = lines[count - 1]
    return [*lines[: count - 1], (last if width_of([Span(last)]) < width else last[:-1]) + "…"]


def _plain(parts: Line) -> str:
    return "".join(part.text for part in parts)


def messages_told(said: Iterable[Said], width: int) -> list[Line]:
    """Each with its sign and when it was said, in full."""
    lines: list[Line] = []
    for each in said:
        when = figures.ago(each.at) + (f", {each.times} times" if each.times > 1 else "")
        lines.append([SIGNS[each.severity], Span(f" {when}", "dim")])
        lines += [[Span("  "), *part] for part in wrapped(each.text, max(10, width - 2))]
        lines.append([])
    return lines[:-1]
