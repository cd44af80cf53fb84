"""The one error of this package."""


class ExplainError(Exception):
    """A sentence for the user: what was wrong, what is allowed, what to do."""
