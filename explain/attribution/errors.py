"""The one error of explain/."""


class ExplainError(Exception):
    """A sentence for the user: what was wrong, what is allowed, what to do."""
