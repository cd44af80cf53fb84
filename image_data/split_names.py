"""What splits are called, and which of those that a data set has are meant."""

from __future__ import annotations

from collections.abc import Sequence

from sightline.image_data.splits import DataError

# In any case, the best first.
NAMES = {"train": ("train", "training"), "test": ("test", "val", "valid", "validation")}


def match(there: Sequence[str], role: str, named: str | None = None) -> str | None:
    """Return which of the names that are there is the split of this role, "train" or "test"; None where none is.

    named: what the user calls the test split.

    >>> match(["train", "Val", "dev"], "test"), match(["train", "dev"], "test", "dev")
    ('Val', 'dev')
    """
    wanted = (named,) if named and role == "test" else NAMES[role]
    return next((name for each in wanted for name in there if each in (name, name.lower())), None)


def choose(what: str, there: Sequence[str], roles: Sequence[str], named: str | None = None) -> dict[str, str]:
    """Return role → the name of its split; "" where a data set has no splits, so that all is there to be judged.

    what: the data set, for messages. Raises DataError where a split is not there.
    """
    chosen = {}
    for role in roles:
        found = match(there, role, named)
        if found is None and (there or named or role == "train"):
            wanted = named if named and role == "test" else NAMES[role][0]
            has = f"but {', '.join(there)}" if there else "it has no splits"
            raise DataError(f"{what} has no split {wanted}, {has}; name the one to judge on with --split.")
        chosen[role] = found or ""
    refuse_the_same(what, chosen)
    return chosen


def refuse_the_same(what: str, chosen: dict[str, str]) -> None:
    """Raise DataError where the training and the test split are one."""
    if len(set(chosen.values())) < len(chosen):
        raise DataError(f"{chosen['test']} of {what} cannot be the training and the test split; give another --split.")
