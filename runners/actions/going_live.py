"""How a version that the gate passed goes live, as its project says in [serve]."""

from __future__ import annotations

from pathlib import Path

from runners.actions import endpoints
from runners.actions.endpoints import Started
from storage.errors import TrainshedError
from storage.project import load_project
from storage.read import endpoints as read_endpoints
from storage.serve_section import ServeSection
from storage.shed import Shed


def rules_of(project_dir: Path) -> ServeSection:
    """`[serve]` as the project has it now; a run has frozen everything else, but not how its model is served."""
    try:
        return load_project(project_dir).serve
    except TrainshedError:
        return ServeSection()


def endpoint(shed: Shed, model: str, project_dir: Path) -> Started | None:
    """Start the endpoint of a model that is in production; None where one is wanted already, whoever's.

    Raises:
        UsageError, RunFailed: as `endpoints.start`.
    """
    if any(found.model == model and found.wanted == "running" for found in read_endpoints.every(shed)):
        return None
    return endpoints.start(shed, model, project_dir=project_dir)
