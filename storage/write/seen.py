"""When each user last looked at what happened."""

from __future__ import annotations

from storage.shed import Shed, current_user
from storage.tables import Seen


def look(shed: Shed, at: float) -> None:
    """The current user has seen everything up to `at`. Never moves back."""
    user = current_user()
    with shed.writing("digest seen", f"user {user}") as write:
        before = write.session.get(Seen, user)
        if before is None or before.at < at:
            write.session.merge(Seen(user=user, at=at))
