"""How figures are written for people: see screens.figures."""

from screens.figures import ago, duration, iso, number, size

__all__ = ["ago", "duration", "iso", "number", "size"]
