"""The devices of a machine and what is left on them: where a run fits, alone or beside others."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import NamedTuple

from runners.scheduling.terms import Holding, Slot, kind_of, natural


class Hold(NamedTuple):
    """A run on its devices, and when it likely ends (seconds on the caller's clock; None: nobody knows)."""

    run_id: int
    user: str
    devices: tuple[str, ...]
    memory: int | None
    ends_at: float | None


def hold(run: Holding, now: float) -> Hold:
    ends_at = None if run.remaining_s is None else now + run.remaining_s.likely
    return Hold(run.run_id, run.user, run.devices, run.memory, ends_at)


class Device:
    """One GPU or CPU slot: how many hold it alone, how many share it, and what these claim."""

    __slots__ = ("alone", "claimed", "free", "index", "memory", "name", "sharers", "stranger")

    def __init__(self, index: int, slot: Slot) -> None:
        self.index = index
        self.name = slot.name
        self.memory = slot.memory_bytes or 0
        self.free = self.memory if slot.free_bytes is None else min(slot.free_bytes, self.memory)
        self.stranger = slot.stranger
        self.alone = self.sharers = self.claimed = 0

    def copy(self) -> Device:
        other = object.__new__(Device)
        other.index, other.name, other.memory, other.stranger = self.index, self.name, self.memory, self.stranger
        other.free, other.alone, other.sharers, other.claimed = self.free, self.alone, self.sharers, self.claimed
        return other

    @property
    def empty(self) -> bool:
        return not (self.alone or self.sharers or self.stranger)

    @property
    def room(self) -> int:
        """Bytes that one more run may claim here.

        Runs may not have filled their claims yet, so two bounds hold: what is claimed, and what the driver calls free.
        """
        return 0 if self.alone else min(self.memory - self.claimed, self.free)


class Machine:
    """All devices by kind. `take` and `release` change it, `place` only looks."""

    def __init__(self, slots: Iterable[Slot], holds: Iterable[Hold] = ()) -> None:
        self.kinds: dict[str, list[Device]] = {}
        self._by_name: dict[str, Device] = {}
        for index, slot in enumerate(sorted(slots, key=lambda slot: natural(slot.name))):
            device = self._by_name[slot.name] = Device(index, slot)
            self.kinds.setdefault(kind_of(slot.name), []).append(device)
        for hold in holds:
            for device in self._found(hold.devices):
                if hold.memory is None or not device.memory:
                    device.alone += 1
                    continue
                device.sharers += 1
                device.claimed += hold.memory
                if device.stranger:  # of what is used here, nobody knows how much is the stranger's: all, at worst
                    device.free = max(0, device.free - hold.memory)

    def copy(self) -> Machine:
        other = object.__new__(Machine)
        other.kinds = {kind: [device.copy() for device in devices] for kind, devices in self.kinds.items()}
        other._by_name = {device.name: device for devices in other.kinds.values() for device in devices}
        return other

    def place(
        self,
        kind: str,
        count: int,
        memory: int | None,
        *,
        within: Collection[str] | None = None,
        without: Collection[str] = (),
    ) -> tuple[str, ...] | None:
        """The devices that a run would get now, None where it does not fit. A claim goes where least room stays.

        `within` and `without` narrow the choice to, and away from, some devices.
        """
        devices: Sequence[Device] = self.kinds.get(kind, ())
        if within is not None or without:
            devices = [d for d in devices if (within is None or d.name in within) and d.name not in without]
        if len(devices) < count:
            return None
        if memory is None or not devices[0].memory:
            found = [device for device in devices if device.empty]
        else:
            found = [device for device in devices if device.room >= memory]
            found.sort(key=lambda device: (device.empty, device.room, device.index))
        if len(found) < count:
            return None
        return tuple(device.name for device in sorted(found[:count], key=lambda device: device.index))

    def take(self, devices: Iterable[str], memory: int | None) -> None:
        """A run begins on these devices. What it claims it has not allocated yet, so it leaves the free memory too."""
        for device in self._found(devices):
            if memory is None or not device.memory:
                device.alone += 1
            else:
                device.sharers += 1
                device.claimed += memory
                device.free -= memory

    def release(self, devices: Iterable[str], memory: int | None) -> None:
        """A run on these devices ends."""
        for device in self._found(devices):
            if memory is None or not device.memory:
                device.alone -= 1
                if not device.stranger:
                    device.free = device.memory - device.claimed
            else:
                device.sharers -= 1
                device.claimed -= memory
                device.free = min(device.memory, device.free + memory)

    def portion(self, kind: str, memory: int | None) -> float:
        """The part of a device that a claim of so many bytes is; 1 for a device alone."""
        size = self.kinds[kind][0].memory if memory is not None and kind in self.kinds else 0
        return min(1.0, memory / size) if size and memory is not None else 1.0

    def with_room(self, kinds: Iterable[str]) -> set[str]:
        """Those of the kinds of which anything at all could still be placed somewhere."""
        return {kind for kind in kinds if any(d.empty or d.room > 0 for d in self.kinds.get(kind, ()))}

    def _found(self, devices: Iterable[str]) -> list[Device]:
        return [self._by_name[name] for name in devices if name in self._by_name]
