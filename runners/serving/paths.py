"""The routes of an endpoint by their patterns: so few that each may have figures of its own, whatever is asked for."""

from __future__ import annotations

ROUTES = (
    "/predict",
    "/feedback",
    "/explain",
    "/health",
    "/metrics",
    "/schema",
    "/admin/state",
    "/v2",
    "/v2/health/live",
    "/v2/health/ready",
    "/v2/models/{name}",
    "/v2/models/{name}/ready",
    "/v2/models/{name}/infer",
    "/v2/models/{name}/versions/{version}",
    "/v2/models/{name}/versions/{version}/ready",
    "/v2/models/{name}/versions/{version}/infer",
    "other",
)
OTHER = len(ROUTES) - 1
_PLACES = {route: place for place, route in enumerate(ROUTES)}


def place_of(path: str) -> int:
    """The place in ROUTES of the pattern that a path fits; that of `other` where it fits none."""
    found = _PLACES.get(path)
    if found is not None:
        return found
    parts = path.split("/")
    if parts[1:3] != ["v2", "models"] or len(parts) < 4:
        return OTHER
    parts[3] = "{name}"
    if len(parts) > 5 and parts[4] == "versions":
        parts[5] = "{version}"
    return _PLACES.get("/".join(parts), OTHER)
