"""What the command line can do for a person can be done in the app: every verb has an action there, or a reason."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from app.cli import NOUNS, loaded
from screens.actions import by_id

# Verb → the action that does the same, or shows it.
REACHED = {
    "alerts ack": "home.acknowledge",
    "alerts list": "app.home",
    "alerts test": "triggers.try_alerts",
    "data add": "data.add",
    "data card": "data.card",
    "data diff": "data.diff",
    "data export": "data.export",
    "data head": "data.rows",
    "data list": "app.data",
    "data profile": "dataset.columns",
    "data query": "data.sql",
    "data show": "app.data",
    "data verify": "data.verify",
    "data versions": "app.data",
    "digest": "app.home",
    "disk": "machine.disk",
    **{f"endpoints {kind} abort": "serving.abort" for kind in ("ab", "canary", "shadow")},
    **{f"endpoints {kind} list": "app.serving" for kind in ("ab", "canary", "shadow")},
    **{f"endpoints {kind} promote": "serving.promote" for kind in ("ab", "canary", "shadow")},
    **{f"endpoints {kind} show": "app.serving" for kind in ("ab", "canary", "shadow")},
    "endpoints ab report": "serving.report",
    "endpoints ab start": "serving.ab",
    "endpoints canary start": "serving.canary",
    "endpoints shadow report": "serving.report",
    "endpoints shadow start": "serving.shadow",
    "endpoints list": "app.serving",
    "endpoints logs": "serving.log",
    "endpoints start": "serving.start",
    "endpoints status": "app.serving",
    "endpoints stop": "serving.stop",
    "endpoints tokens create": "tokens.create",
    "endpoints tokens list": "serving.tokens",
    "endpoints tokens revoke": "tokens.revoke",
    "exec": "runs.command",
    "export data": "data.export",
    "export models": "models.export",
    "export runs": "queue.export",
    "gc": "machine.free",
    "gpus": "app.machine",
    "label answer": "serving.label",
    "label queue": "serving.label",
    "label save": "labelling.save",
    "label start": "serving.label",
    "label status": "serving.label",
    "lineage": "app.go",
    "models approve": "signing.approve",
    "models card": "models.card",
    "models explain": "serving.explain",
    "models export": "models.export",
    "models flips": "models.flips",
    "models history": "app.models",
    "models list": "app.models",
    "models promote": "signing.promote",
    "models reject": "signing.reject",
    "models replay": "flips.source",
    "models rollback": "signing.roll_back",
    "models show": "app.models",
    "models verify": "models.verify",
    "monitor show": "serving.monitor",
    "predict": "models.predict",
    "runs compare": "app.compare",
    "runs follow": "run.charts",
    "runs launch": "runs.launch",
    "runs list": "app.runs",
    "runs logs": "run.log",
    "runs metrics": "run.values",
    "runs note": "run.note",
    "runs reorder": "queue.first",
    "runs reproduce": "queue.reproduce",
    "runs requeue": "queue.requeue",
    "runs resume": "queue.resume",
    "runs rm": "queue.remove",
    "runs show": "app.go",
    "runs stop": "queue.stop",
    "runs tag": "queue.tag",
    "serve": "serving.start",
    "status": "app.home",
    "sweep follow": "runs.sweeps",
    "sweep list": "runs.sweeps",
    "sweep resume": "sweeping.resume",
    "sweep show": "runs.sweeps",
    "sweep start": "sweeps.start",
    "sweep stop": "sweeping.stop",
    "triggers add": "triggers.add",
    "triggers approve": "triggers.approve",
    "triggers dismiss": "triggers.dismiss",
    "triggers fire": "triggers.fire",
    "triggers history": "app.triggers",
    "triggers list": "app.triggers",
    "triggers pause": "triggers.pause",
    "triggers resume": "triggers.pause",
    "triggers test": "triggers.test",
    "agent start": "triggers.watch",
}

# Verb, or noun with all of its verbs → why a person does this elsewhere.
ELSEWHERE = {
    "agent": "it comes and goes by itself; what it does stands in Home, Triggers and Machine",
    "doctor": "it looks at the terminal before the app is in it",
    "endpoints install": "it writes a unit for systemd, once a machine",
    "import": "it brings a history along once, before there is anything to look at",
    "init": "it makes the directory that the app is then started in",
    "test": "it runs the project's own tests, for an editor or CI",
}


def verbs() -> Iterator[str]:
    def below(command: Any, words: list[str]) -> Iterator[str]:
        children = getattr(command, "commands", None)
        if not children:
            yield " ".join(words)
            return
        for name, child in children.items():
            yield from below(child, [*words, name])

    for noun in NOUNS:
        yield from below(loaded(noun), [noun])


def reason(verb: str) -> str:
    """Of the longest entry that is the verb or begins it."""
    known = [entry for entry in ELSEWHERE if verb == entry or verb.startswith(f"{entry} ")]
    return ELSEWHERE[max(known, key=len)] if known else ""


def test_every_verb_has_its_action_or_a_reason() -> None:
    assert [verb for verb in verbs() if verb not in REACHED and not reason(verb)] == []


def test_no_entry_is_about_a_verb_that_is_gone() -> None:
    there = list(verbs())
    assert [verb for verb in REACHED if verb not in there] == []
    assert [entry for entry in ELSEWHERE if not any(f"{verb} ".startswith(f"{entry} ") for verb in there)] == []


def test_what_does_a_verb_is_found_in_the_palette() -> None:
    actions = {verb: by_id(action) for verb, action in REACHED.items()}
    assert [verb for verb, action in actions.items() if not action.in_palette] == []
