"""Who is asking."""

from __future__ import annotations

import os
import pwd


def current_user() -> str:
    """The name of the process's real user: what the kernel says, not what the environment claims."""
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return str(os.getuid())
