"""The style and the script of a component, which stand beside its module in files of their own."""

from pathlib import Path


def beside(module: str, ending: str) -> str:
    """Read the file of this ending that stands beside a module. module: its `__file__`."""
    return Path(module).with_suffix(f".{ending}").read_text(encoding="utf-8")
