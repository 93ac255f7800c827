"""The form that predicts the rows of a file with a model version, of any size, and how far it is."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Vertical
from textual.screen import ModalScreen
from textual.widgets import Input

from screens.acting import ActingScreen, bindings
from screens.glyphs import bar
from screens.ink import Line, Span, escaped, line, span
from screens.threads import beside, gone
from screens.widgets.field import Field, Note, step
from storage.counted import counted

if TYPE_CHECKING:
    from runners.actions.predicting import Predicted
    from storage.shed import Shed

BAR = 30
LOOK_S = 0.25  # between two looks how far it is
HINT: Line = [Span("The same again goes on where it was stopped.", "dim")]


class Stopped(Exception):
    """A person has had enough of it."""


class Predicting(ActingScreen, ModalScreen[None]):
    """Which file, and where to: what is made stays, whatever becomes of this form."""

    PLACE = "predicting"
    CSS_PATH = ["styles/dialogs.tcss", "styles/predicting.tcss"]
    BINDINGS: ClassVar[list[BindingType]] = [*bindings("predicting")]

    def __init__(self, model: str, version: int) -> None:
        super().__init__()
        self._model, self._version = model, version
        self._far: tuple[int, int] | None = None  # rows done, and all; None while nothing is at work
        self._stopping = False

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog wide") as box:
            box.border_title = escaped(f"predict a file with {self._model} v{self._version}")
            box.border_subtitle = "enter begins · ↑ ↓ fields · esc leaves, or stops it"
            yield Field("rows", "Parquet, CSV or JSON lines")
            yield Field("predictions", "beside them, as Parquet")
            yield Field("columns to keep", "none; such as: id date")
            yield Note(HINT, classes="far")

    def on_mount(self) -> None:
        self.query(Input).first().focus()
        self.set_interval(LOOK_S, self._tell)

    # -- what was typed

    @property
    def fields(self) -> list[Field]:
        return list(self.query(Field))

    def order(self) -> tuple[Path, Path, tuple[str, ...]]:
        """From where, to where, and which columns of the input to keep."""
        source, target, kept = (field.text for field in self.fields)
        rows = Path(source).expanduser()
        beside_it = rows.with_name(f"{rows.stem}-{self._model}-v{self._version}.parquet")
        return rows, Path(target).expanduser() if target else beside_it, tuple(kept.replace(",", " ").split())

    @on(Input.Submitted)
    def _submitted(self) -> None:
        self.do_predict()

    # -- the work

    def do_predict(self) -> None:
        if self._far is not None:
            return
        if not self.fields[0].text:
            self.shell.say("Which file? It is read where trainshed was started.", "warning")
            return
        self._far, self._stopping = (0, 0), False
        self._tell()
        self.shell.run_worker(self._predict(*self.order()))  # the app's: it says how it ended wherever one is

    async def _predict(self, source: Path, output: Path, keep: tuple[str, ...]) -> None:
        from storage.errors import TrainshedError

        shell, shed = self.shell, self.shell.shed
        assert shed is not None
        try:
            done = await beside(lambda: self._predicted(shed, source, output, keep))
        except Stopped:
            shell.say(
                f"stopped after {counted(self._far[0] if self._far else 0, 'row')}; the same again goes on from there"
            )
        except TrainshedError as err:
            shell.tell(err)
        else:
            speed = (done.rows - done.resumed) / max(done.seconds, 1e-9)
            shell.say(f"{counted(done.rows, 'row')} predicted, {speed:,.0f} a second: {done.output}")
            if not gone(self):
                self.dismiss()
        finally:
            self._far = None
            self._tell()

    def _predicted(self, shed: Shed, source: Path, output: Path, keep: tuple[str, ...]) -> Predicted:
        """Runs in a thread."""
        from runners.actions import predicting

        def progress(done: int, total: int) -> None:
            self._far = done, total
            if self._stopping:
                raise Stopped

        return predicting.predict(shed, f"{self._model}@v{self._version}", source, output, keep=keep, progress=progress)

    def _tell(self) -> None:
        if gone(self):
            return
        told: Line = HINT
        if self._far is not None:
            done, total = self._far
            rows = f"  {done:,} of {counted(total, 'row')}" if total else "  loading the model …"
            told = [*bar(done / total if total else 0.0, BAR), span(rows)]
            told = line(*told, Span("  stopping …" if self._stopping else "", "waiting"))
        self.query_one(".far", Note).show(told)

    # -- keys

    def do_next(self) -> None:
        step(self, 1)

    def do_previous(self) -> None:
        step(self, -1)

    def do_close(self) -> None:
        if self._far is None:
            self.dismiss()
        else:
            self._stopping = True
            self._tell()
