"""Leases: who may use which GPU or CPU slot now. A lease is a flock, so the kernel itself frees it.

Its descriptors go to the run's child (`pass_fds`): it lasts until supervisor and child are both gone, however that
happened.
"""

from __future__ import annotations

from runners.leasing.devices import environment, roots, slots, stranger
from runners.leasing.holding import Holder, Lease, holders, take

__all__ = ["Holder", "Lease", "environment", "holders", "roots", "slots", "stranger", "take"]
