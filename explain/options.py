"""Names on the command line: one, or several separated by commas."""

from collections.abc import Iterable

from tyro.constructors import PrimitiveConstructorSpec


def names(*allowed: str) -> PrimitiveConstructorSpec[tuple[str, ...]]:
    """Names separated by commas on the command line; of `allowed`, where there are any."""

    def read(words: list[str]) -> tuple[str, ...]:
        found = tuple(dict.fromkeys(name.strip() for name in words[0].split(",")))
        for name in found:
            if allowed and name not in allowed:
                raise ValueError(f"Unknown name {name!r}; choose from: {', '.join(allowed)}.")
        return found

    return PrimitiveConstructorSpec(
        nargs=1,
        metavar="NAME,NAME",
        instance_from_str=read,
        is_instance=lambda value: isinstance(value, tuple),
        str_from_instance=lambda found: [",".join(found)],
    )


def name_of(allowed: Iterable[str]) -> PrimitiveConstructorSpec[str]:
    """One of the names in `allowed`, which the help lists."""
    return PrimitiveConstructorSpec(
        nargs=1,
        metavar=f"{{{','.join(allowed)}}}",
        instance_from_str=lambda words: words[0],
        is_instance=lambda value: isinstance(value, str),
        str_from_instance=lambda name: [name],
        choices=tuple(allowed),
    )
