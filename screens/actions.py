"""Every action there is: one table that feeds the key bindings, the footer, the palette and the help.

An action's id is `PLACE.NAME`: the class whose PLACE it is has a method `do_NAME`. Its id is also what a keymap in the
user's configuration names. A test walks the table: every action can be done, and no two share a key where both work.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from itertools import combinations
from typing import Literal


@dataclass(frozen=True)
class Action:
    """One thing that can be done.

    Attributes:
        id: `PLACE.NAME`.
        keys: as Textual names them, several with commas.
        title: a word or two, for the footer.
        tells: one sentence, for help and palette.
        shown: whether the footer names it.
        early: the footer names it before others, which may find no room.
        in_palette: whether it can be looked up; moving a cursor cannot.
    """

    id: str
    keys: str
    title: str
    tells: str
    shown: bool = True
    in_palette: bool = True
    early: bool = False

    @property
    def place(self) -> str:
        return self.id.rpartition(".")[0]

    @property
    def name(self) -> str:
        return self.id.rpartition(".")[2]


@dataclass(frozen=True)
class Place:
    """Where actions belong; `title` heads them in the help.

    What is `always` there, the `view` in front and the focused `part` of it are within reach together; a `dialog`
    stands alone. A part is in any view, or only in those of `within`.
    """

    name: str
    title: str
    kind: Literal["always", "view", "part", "dialog"] = "view"
    within: tuple[str, ...] = ()


@dataclass(frozen=True)
class ViewEntry:
    """One of the numbered views: `module:Class` is imported when it is first shown."""

    number: int
    name: str
    title: str
    screen: str


# Keys as they are typed → as Textual names them.
KEYS = {
    "?": "question_mark",
    ":": "colon",
    "/": "slash",
    "comma": "comma",
    ".": "full_stop",
    "[": "left_square_bracket",
    "]": "right_square_bracket",
    "+": "plus",
    "-": "minus",
    "=": "equals_sign",
    "*": "asterisk",
    "!": "exclamation_mark",
    ">": "greater_than_sign",
    "<": "less_than_sign",
    "esc": "escape",
    "pgdn": "pagedown",
    "pgup": "pageup",
    "←": "left",
    "→": "right",
    "↑": "up",
    "↓": "down",
}

VIEWS = (
    ViewEntry(1, "home", "Home", "screens.home:HomeView"),
    ViewEntry(2, "data", "Data", "screens.data:Data"),
    ViewEntry(3, "runs", "Runs", "screens.runs:Runs"),
    ViewEntry(4, "compare", "Compare", "screens.compare:Compare"),
    ViewEntry(5, "models", "Models", "screens.models:Models"),
    ViewEntry(6, "serving", "Serving", "screens.serving:Serving"),
    ViewEntry(7, "triggers", "Triggers", "screens.triggers:Triggers"),
    ViewEntry(8, "machine", "Machine", "screens.machine:Machine"),
)

PLACES = (
    Place("app", "everywhere", "always"),
    Place("view", "in every view", "always"),
    Place("list", "in lists", "part"),
    Place("text", "in texts", "part"),
    Place("log", "in the log", "part", ("run", "endpoint_log")),
    Place("chart", "on a chart", "part"),
    Place("queue", "with runs", "part", ("runs", "run", "machine")),
    Place("marking", "with marked runs", "part", ("runs", "sweep")),
    Place("runs", "in Runs"),
    Place("run", "on a run's page"),
    Place("home", "in Home"),
    Place("data", "in Data"),
    Place("dataset", "on a dataset's page"),
    Place("rows", "among rows", "part", ("dataset",)),
    Place("compare", "in Compare"),
    Place("sweeps", "among sweeps"),
    Place("sweep", "on a sweep's page"),
    Place("sweeping", "with a sweep", "part", ("sweeps", "sweep")),
    Place("models", "in Models"),
    Place("flips", "among flips"),
    Place("signing", "with a model version", "part", ("models", "flips")),
    Place("serving", "in Serving"),
    Place("monitor", "in the monitor"),
    Place("prediction", "on a prediction's page"),
    Place("endpoint_log", "in an endpoint's log"),
    Place("accesses", "among requests"),
    Place("tokens", "among tokens"),
    Place("triggers", "in Triggers"),
    Place("machine", "in Machine"),
    Place("labelling", "among labels"),
    Place("lineage", "on the way back"),
    Place("page", "on a page of text"),
    Place("reading", "in a text", "dialog"),
    Place("preview", "at a picture", "dialog"),
    Place("launching", "in the launch form", "dialog"),
    Place("predicting", "in the form of a file", "dialog"),
    Place("asking", "in a question", "dialog"),
    Place("agreeing", "in a question", "dialog"),
    Place("tour", "on the tour", "dialog"),
    Place("palette", "in the palette", "dialog"),
    Place("help", "in the help", "dialog"),
)


def _moves(place: str) -> tuple[Action, ...]:
    """How a cursor is moved, alike everywhere."""
    moves = (
        ("down", "j,down", "down", "One line down."),
        ("up", "k,up", "up", "One line up."),
        ("page_down", "pagedown,ctrl+d", "page down", "One page down."),
        ("page_up", "pageup,ctrl+u", "page up", "One page up."),
        ("first", "g,home", "first", "To the beginning."),
        ("last", "G,end", "last", "To the end."),
    )
    return tuple(
        Action(f"{place}.{name}", keys, title, tells, shown=False, in_palette=False)
        for name, keys, title, tells in moves
    )


def _parts(place: str) -> tuple[Action, ...]:
    """From part to part of a page."""
    tells = "The next part of the page."
    return (
        Action(f"{place}.next", "tab,right_square_bracket", "next part", tells, in_palette=False),
        Action(
            f"{place}.previous",
            "shift+tab,left_square_bracket",
            "part before",
            "The part before.",
            shown=False,
            in_palette=False,
        ),
    )


ACTIONS = (
    *(Action(f"app.{view.name}", str(view.number), view.title, f"Go to {view.title}.", shown=False) for view in VIEWS),
    Action("app.help", "question_mark", "help", "What can be done here, and by which key."),
    Action("app.palette", "ctrl+p", "palette", "Find any action by its name.", in_palette=False),
    Action("app.go", "colon", "go", "Go to a run, model, dataset, or whatever an id belongs to."),
    Action("app.messages", "M", "messages", "What was said so far, in full.", shown=False),
    Action("app.theme", "", "theme", "Next theme: dark, light, high contrast.", shown=False),
    Action("app.redraw", "ctrl+l", "redraw", "Draw the whole screen again.", shown=False),
    Action("app.quit", "q", "quit", "Leave; runs continue."),
    Action("view.back", "escape", "back", "Out of this page, filter or selection.", in_palette=False),
    *_moves("list"),
    Action("list.left", "left", "left", "Columns to the left.", shown=False, in_palette=False),
    Action("list.right", "right", "right", "Columns to the right.", shown=False, in_palette=False),
    Action("list.choose", "enter", "open", "Open the line under the cursor.", in_palette=False, early=True),
    *_moves("text"),
    Action("text.left", "left", "left", "Further left.", shown=False, in_palette=False),
    Action("text.right", "right", "right", "Further right.", shown=False, in_palette=False),
    Action("log.follow", "f", "follow", "Stay at the end as the log grows, or not."),
    Action("log.search", "slash", "search", "Search in the log."),
    Action("log.next", "greater_than_sign", "next", "The next line with what was searched for."),
    Action("log.previous", "less_than_sign", "previous", "The line before with what was searched for.", shown=False),
    Action("chart.left", "left", "cursor", "The cursor to the left: what the values were there."),
    Action("chart.right", "right", "right", "The cursor to the right.", shown=False),
    Action("chart.zoom_in", "plus,equals_sign", "zoom", "Closer, around the cursor."),
    Action("chart.zoom_out", "minus", "zoom out", "Further away.", shown=False),
    Action("chart.whole", "0", "whole", "All of it again, without a cursor."),
    Action("chart.log", "L", "log scale", "A logarithmic scale, or a plain one."),
    Action("chart.smooth", "S", "smooth", "Smooth the curves: not, some, much; what they are lies behind."),
    Action("chart.along", "X", "x axis", "By step, by time, or by epoch."),
    Action("marking.mark", "space", "mark", "Mark the run, to compare it or do something with several.", early=True),
    Action("marking.compare", "c", "compare", "Put the marked runs side by side.", early=True),
    Action(
        "runs.filter", "slash", "filter", "Show only runs that fit, such as status=failed lr>1e-4 user=ana.", early=True
    ),
    Action("runs.sort", "comma", "sort", "Sort by the next column."),
    Action("runs.reverse", "full_stop", "reverse", "Turn the order round.", shown=False),
    Action(
        "runs.launch",
        "n",
        "launch",
        "Launch a run of this project: its params, and what it asks of the queue.",
        early=True,
    ),
    Action("runs.command", "exclamation_mark", "command", "Queue any command under a lease, such as a notebook."),
    Action("runs.sweeps", "s", "sweeps", "Searches over params: their trials, and what made the difference."),
    Action("runs.all_projects", "p", "projects", "This project's runs, or those of all projects."),
    *(
        Action(f"run.{name}", letter, name, tells, shown=False)
        for name, letter, tells in (
            ("why", "w", "Why it did not end well."),
            ("charts", "c", "Its metrics as charts, live."),
            ("values", "v", "What each metric came to."),
            ("log", "l", "What it wrote to stdout and stderr."),
            ("params", "p", "Its params, and what the run before had."),
            ("machine", "m", "What it costs the machine."),
            ("code", "d", "Its code, and the diff against the commit."),
            ("artifacts", "a", "What it saved."),
            ("origin", "o", "Where it came from, down to the files, and what came of it."),
            ("notes", "n", "Notes, tags, environment, and what happened to it."),
        )
    ),
    *_parts("run"),
    Action("queue.stop", "x", "stop", "Stop the run: at once where it waits, with a moment to save where it works."),
    Action("queue.resume", "r", "resume", "Go on from its last good stage and checkpoint."),
    Action("queue.requeue", "R", "start over", "Queue a new run of exactly what this one froze."),
    Action("queue.relaunch", "e", "edit, relaunch", "Launch the project as it is now, with this run's params to edit."),
    Action(
        "queue.reproduce",
        "A",
        "reproduce",
        "Do it again from all that it froze, as a new run, and say whether the same comes out.",
        shown=False,
    ),
    Action("queue.first", "K", "first", "Let it start before your other runs that wait."),
    Action("queue.last", "J", "last", "Let it start behind your other runs that wait.", shown=False),
    Action("queue.priority", "P", "priority", "Give it another priority among everybody's runs.", shown=False),
    Action("queue.tag", "T", "tag", "File the run, or those marked, under a word."),
    Action("queue.export", "E", "export", "Write the run, or those marked, as tables for any tool.", shown=False),
    Action("queue.walk_back", "t", "walk back", "From the run back to the files that caused it.", shown=False),
    Action("queue.remove", "X", "remove", "Forget the run: its rows, series, log and checkpoints.", shown=False),
    Action("run.note", "N", "note", "Add a remark to the run."),
    Action("run.copy", "y", "copy", "Copy the run's number and directory."),
    Action("home.next", "tab", "next pane", "The next pane.", in_palette=False),
    Action("home.previous", "shift+tab", "pane before", "The pane before.", shown=False, in_palette=False),
    Action("home.tour", "t", "tour", "The first minutes: what this is, and a sample project that runs.", shown=False),
    Action("home.acknowledge", "a", "acknowledge", "Say that you have seen the alert under the cursor."),
    Action("data.rows", "r", "rows", "Its rows, page by page."),
    Action("data.diff", "d", "diff", "What changed since the version before."),
    Action("data.card", "c", "card", "Its card: columns, checks, what changed."),
    Action("data.sql", "s", "SQL", "Ask it in SQL."),
    Action("data.origin", "o,t", "onward", "What came of it: runs and models."),
    Action("data.add", "n", "add", "Make a version of the project's dataset, or of any files."),
    Action("data.verify", "v", "verify", "Read every file of it again, and compare the hashes.", shown=False),
    Action("data.export", "e", "export", "Copy its files into a directory, under their own names.", shown=False),
    Action("data.copy", "y", "copy", "Copy its name and version.", shown=False),
    *(
        Action(f"dataset.{name}", letter, name, tells, shown=False)
        for name, letter, tells in (
            ("rows", "r", "Its rows: filtered, sorted, page by page, or by SQL."),
            ("columns", "c", "Its columns: types, nulls, bounds, distribution."),
            ("diff", "d", "What changed since the version before."),
            ("checks", "h", "What validation found."),
            ("files", "f", "Its files, and the classes of images."),
            ("onward", "o", "Where it came from, and what came of it."),
        )
    ),
    *_parts("dataset"),
    Action("dataset.card", "D", "card", "Its card: columns, checks, what changed."),
    Action("dataset.copy", "y", "copy", "Copy its name and version.", shown=False),
    Action("rows.filter", "slash", "filter", "Only rows that fit, such as distance > 1000 and carrier = 'UA'."),
    Action("rows.sql", "s", "SQL", "Ask in SQL; `data` and the tables are there. Empty: the rows again."),
    Action("rows.table", "t", "table", "The next table, or what the project's query makes of them."),
    Action("rows.sort", "comma", "sort", "Sort by the column under the cursor, or not any more."),
    Action("rows.reverse", "full_stop", "reverse", "Turn the order round.", shown=False),
    Action("rows.profile", "p", "profile", "The distribution of the column under the cursor, beside the rows."),
    Action("rows.clear", "u", "clear", "Without filter and SQL; breaks off a question that takes long."),
    Action("compare.drawing", "tab", "drawing", "Curves, a param against the metric, or all params at once."),
    Action("compare.sort", "comma", "sort", "Order the runs by the line under the cursor."),
    Action("compare.reverse", "full_stop", "reverse", "Turn the order round.", shown=False),
    Action("compare.sweeps", "s", "sweeps", "Searches over params: their trials, and what made the difference."),
    Action("compare.drop", "space", "unmark", "Take the run under the cursor out."),
    Action("compare.whole", "w", "code and data", "How code and data differ, line by line."),
    Action("compare.copy", "y", "copy", "Copy the command that tells the same.", shown=False),
    Action("sweeps.start", "n", "start", "Begin the search that [sweep] in trainshed.toml describes."),
    Action("sweeping.stop", "x", "stop", "No further trial begins; those at work are stopped."),
    Action("sweeping.resume", "r", "resume", "Go on with a sweep that was stopped or failed."),
    Action("sweeping.more", "m", "more trials", "Try more params, as many trials in all as you say."),
    Action("sweeping.best", "b", "launch best", "A run with the params of the best trial, in the launch form."),
    Action("sweep.drawing", "tab", "drawing", "Curves, a param against the metric, or all params at once."),
    Action("sweep.sort", "comma", "sort", "In the order of trials, or by what they came to."),
    Action("sweep.reverse", "full_stop", "reverse", "Turn the order round.", shown=False),
    Action("sweep.copy", "y", "copy", "Copy the command that tells the same.", shown=False),
    Action(
        "signing.promote",
        "p",
        "promote",
        "Let production name this version; past a gate that refused only with a reason.",
    ),
    Action("signing.approve", "a", "approve", "Say yes to a version that passed the gate and waits for a person."),
    Action("signing.reject", "x", "reject", "Say no to it, with a reason: it cannot go to production then."),
    Action("signing.roll_back", "b", "roll back", "Put the version before back into production."),
    Action("models.flips", "f", "flips", "The rows to which it gives another answer than production."),
    Action("models.walk_back", "t", "walk back", "From the version back to gate, run, code, data and files."),
    Action("models.card", "c", "card", "Its model card: data, params, metrics, slices, gate, lineage."),
    Action("models.run", "r", "run", "The run that made it."),
    Action("models.export", "e", "export", "Write model.onnx, signature and card into a directory.", shown=False),
    Action("models.predict", "s", "predict", "Predict the rows of a file of any size with it.", shown=False),
    Action("models.verify", "v", "verify", "Read its bytes again, compare their hash, and load it.", shown=False),
    Action("models.copy", "y", "copy", "Copy its name and version.", shown=False),
    Action("flips.next", "tab", "slices", "From the rows to the slices, and back.", in_palette=False),
    Action("flips.previous", "shift+tab", "list before", "The list before.", shown=False, in_palette=False),
    Action("flips.which", "w", "which", "All flips, those that are right now, or those that are wrong now."),
    Action("flips.source", "l", "log", "The test rows, or what an endpoint of the model was asked."),
    Action("flips.sort", "comma", "sort", "Sort by the change, by how sure either model is, or by the row."),
    Action("flips.reverse", "full_stop", "reverse", "Turn the order round.", shown=False),
    Action("flips.copy", "y", "copy", "Copy the command that tells the same.", shown=False),
    Action("serving.next", "tab", "next list", "From the endpoints to their predictions, and back.", in_palette=False),
    Action("serving.previous", "shift+tab", "list before", "The list before.", shown=False, in_palette=False),
    Action("serving.start", "n", "serve", "Serve a model of the registry, or start a stopped endpoint again."),
    Action("serving.stop", "x", "stop", "Stop the endpoint; what it has taken it answers."),
    Action("serving.explain", "e", "explain", "What each column contributed to the prediction.", shown=False),
    Action("serving.label", "l", "label", "Label the predictions that are worth a look, one key a label."),
    Action("serving.walk_back", "t", "walk back", "From the prediction back to model, run, data and files."),
    Action("serving.monitor", "m", "monitor", "The last hour, day or week: traffic, drift, predictions, performance."),
    Action("serving.canary", "c", "canary", "Try another version on a part of the requests first."),
    Action("serving.shadow", "s", "shadow", "Ask another version the same, and only compare its answers.", shown=False),
    Action("serving.ab", "b", "A/B", "Split the requests between two versions, until somebody decides.", shown=False),
    Action("serving.report", "r", "report", "What the shadow or the A/B split has shown.", shown=False),
    Action("serving.promote", "p", "promote", "Let the version that is tried answer everybody."),
    Action("serving.abort", "A", "give up", "Ask the version that is tried nothing any more."),
    Action("serving.log", "o", "log", "What the endpoint says of itself."),
    Action("serving.accesses", "O", "requests", "Who asked what, and what was answered: its access log.", shown=False),
    Action("serving.tokens", "T", "tokens", "Who may ask it: make a token, or revoke one."),
    Action("serving.copy", "y", "copy", "Copy a request to try, with the inputs of the prediction under the cursor."),
    Action("monitor.window", "w", "hour, day, week", "The last hour, day or week."),
    Action("monitor.copy", "y", "copy", "Copy the command that tells the same.", shown=False),
    Action("prediction.next", "tab", "other side", "From what was asked to where it came from.", in_palette=False),
    Action("prediction.walk_back", "t", "walk back", "From the prediction back to model, run, data and files."),
    Action("prediction.copy", "y", "copy", "Copy its inputs and output as JSON."),
    Action("endpoint_log.copy", "y", "copy", "Copy the command that tells the same.", shown=False),
    Action("accesses.copy", "y", "copy", "Copy the command that tells the same.", shown=False),
    Action("tokens.create", "n", "new token", "Make a token; it is told this once."),
    Action("tokens.revoke", "x", "revoke", "Let the token under the cursor open nothing any more."),
    Action("triggers.next", "tab", "next list", "From the triggers to their history, and on.", in_palette=False),
    Action("triggers.previous", "shift+tab", "list before", "The list before.", shown=False, in_palette=False),
    Action("triggers.pause", "p", "pause, resume", "Let the trigger notice nothing until it is resumed; or resume it."),
    Action("triggers.fire", "f", "fire", "Do now what the trigger would do, on the files as they are."),
    Action("triggers.test", "t", "test", "Say what the trigger sees and would do now, without doing it."),
    Action("triggers.add", "n", "add", "Have your agent watch for the triggers of this project's file."),
    Action("triggers.approve", "a", "approve", "Say yes to what waits for a person: its run is launched."),
    Action("triggers.dismiss", "x", "dismiss", "Say no to what waits for a person."),
    Action("triggers.acknowledge", "A", "acknowledge", "Say that you have seen the alert under the cursor."),
    Action("triggers.run", "r", "run", "The run that it began."),
    Action("triggers.only", "h", "only its", "The history of the trigger under the cursor, or of all.", shown=False),
    Action("triggers.watch", "w", "watch", "Start your agent, which watches for you."),
    Action("triggers.try_alerts", "T", "test alerts", "Send a message to every address of [alerts].", shown=False),
    Action("triggers.copy", "y", "copy", "Copy the command that tells the same.", shown=False),
    Action("machine.next", "tab", "next list", "From the devices to the queue, and on.", in_palette=False),
    Action("machine.previous", "shift+tab", "list before", "The list before.", shown=False, in_palette=False),
    Action("machine.processes", "p", "processes", "The tree of processes on each device, or the devices alone."),
    Action("machine.disk", "d", "disk", "Measure what takes the disk, and what gc would free."),
    Action("machine.free", "D", "free it", "Remove what nothing refers to, once you have looked."),
    Action("labelling.skip", "s", "skip", "The next one."),
    Action("labelling.undo", "u", "undo", "Back to the one before; what you said of it is taken back."),
    Action("labelling.number", "v", "number", "Enter what is true, where a number is asked for.", in_palette=False),
    Action("labelling.more", "n", "more", "Look for what else is worth a label."),
    Action("labelling.save", "F", "save", "Make a version of the dataset of labels of what was labelled."),
    Action("lineage.copy", "y", "copy", "Copy the command that tells the same.", shown=False),
    Action("page.copy", "y", "copy", "Copy the text."),
    Action("reading.copy", "y", "copy", "Copy what is to be copied here.", in_palette=False),
    Action("reading.close", "escape,q", "close", "Close it.", in_palette=False),
    Action("preview.in_full", "v", "in full", "The image as the terminal itself draws it.", in_palette=False),
    Action("launching.next", "down,tab", "next", "The next field.", in_palette=False),
    Action("launching.previous", "up,shift+tab", "previous", "The field before.", in_palette=False),
    Action("launching.launch", "enter", "queue it", "Freeze the project as it is now and queue a run of it."),
    Action("launching.close", "escape", "close", "Leave it as it is.", in_palette=False),
    Action("predicting.next", "down,tab", "next", "The next field.", in_palette=False),
    Action("predicting.previous", "up,shift+tab", "previous", "The field before.", in_palette=False),
    Action("predicting.predict", "enter", "predict", "Predict every row, in their order.", in_palette=False),
    Action("predicting.close", "escape", "close", "Leave it, or stop what is at work.", in_palette=False),
    Action("asking.close", "escape", "close", "Leave it as it is.", in_palette=False),
    Action("agreeing.agree", "ctrl+y,y", "agree", "Do it.", in_palette=False),
    Action("agreeing.close", "escape,n", "close", "Leave it as it is.", in_palette=False),
    Action("agreeing.down", "down,pagedown", "down", "Read on where it does not fit.", shown=False, in_palette=False),
    Action("agreeing.up", "up,pageup", "up", "Back up.", shown=False, in_palette=False),
    Action("tour.onward", "enter,right,space", "on", "The next page; the last one runs the sample.", in_palette=False),
    Action("tour.before", "left", "back", "The page before.", in_palette=False),
    Action("tour.close", "escape,q", "close", "Leave the tour.", in_palette=False),
    Action("palette.down", "down", "down", "Next line.", shown=False, in_palette=False),
    Action("palette.up", "up", "up", "Line before.", shown=False, in_palette=False),
    Action("palette.close", "escape", "close", "Close the palette.", in_palette=False),
    Action("help.close", "escape,question_mark,q", "close", "Close the help.", in_palette=False),
)


@cache
def _table() -> dict[str, Action]:
    return {action.id: action for action in ACTIONS}


def by_id(action_id: str) -> Action:
    return _table()[action_id]


def of(place: str) -> list[Action]:
    """The actions of a place, in the order of the table."""
    return [action for action in ACTIONS if action.place == place]


def keys_of(text: str) -> list[str]:
    """`"/, ctrl+x"` as Textual names them; a comma itself is `comma`."""
    return [KEYS.get(key.strip(), key.strip()) for key in text.split(",") if key.strip()]


def clashes(keymap: Mapping[str, str] | None = None) -> list[tuple[Action, Action, str]]:
    """Pairs of actions that one key would set off in the same place, and the key. `keymap` is action id → keys."""
    keymap = keymap or {}
    places = {place.name: place for place in PLACES}
    keys = {action.id: set(keys_of(keymap.get(action.id, action.keys))) for action in ACTIONS}
    return [
        (one, other, key)
        for one, other in combinations(ACTIONS, 2)
        if one.place == other.place or _together(places[one.place], places[other.place])
        for key in keys[one.id] & keys[other.id]
    ]


def _together(one: Place, other: Place) -> bool:
    if "dialog" in (one.kind, other.kind):
        return False
    if "always" in (one.kind, other.kind):
        return True
    return one.kind != other.kind and not any(
        part.within and view.name not in part.within
        for part, view in ((one, other), (other, one))
        if part.kind == "part"
    )
