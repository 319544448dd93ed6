"""A route of the service, which leaves its own pattern for the log."""

from __future__ import annotations

from starlette.routing import Match, Route
from starlette.types import Scope

PATTERN = "manyhot.route"  # where in a request's scope the pattern stands
MODEL = "manyhot.model"  # and where the name of the model that it is about


class Address(Route):
    """A route whose pattern, such as /models/{name}/predict, stands in the scope of each request that it matches."""

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Whether a request is for this address, and what its scope gets."""
        match, child_scope = super().matches(scope)
        return match, {**child_scope, PATTERN: self.path} if match is not Match.NONE else child_scope
