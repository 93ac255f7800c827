"""Text from outside made harmless: see screens.inert."""

from screens.inert import inert, inert_lines

__all__ = ["inert", "inert_lines"]
