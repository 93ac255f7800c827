"""When the terminal UI's process looks for garbage: all of it only while nobody types.

A pass over everything takes as long as five frames, and Python begins one whenever enough was allocated: in the middle
of a key. The quick passes over what is new go on as ever.
"""

from __future__ import annotations

import gc

PAUSE_S = 1.0  # without a key: long enough that the next one seldom waits for a pass
PASSES = 10  # over what is new, until one over everything is worth its time
MOST_PASSES = 1000  # it does not wait for a pause any longer then


class Collector:
    """Python's own, of which there is one in a process."""

    def __init__(self) -> None:
        self._frozen = False
        young, middle, _ = gc.get_threshold()
        gc.set_threshold(young, middle, MOST_PASSES)
        gc.enable()

    def look(self, idle_s: float) -> None:
        """Look through everything where it is worth it and nobody has typed for `idle_s` seconds."""
        if idle_s < PAUSE_S or gc.get_count()[2] < PASSES:
            return
        gc.collect()
        if not self._frozen:  # nearly all of it are modules, and stays: later passes leave it out
            gc.freeze()
            self._frozen = True
