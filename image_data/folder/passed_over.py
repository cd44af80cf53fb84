"""What lies in a folder of images and is not read, in sentences."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from sightline.image_data.formats import FORMATS, HEIC, HEIC_PLUGIN

OUTSIDE = "outside the class folders"


@dataclass
class PassedOver:
    """The files and folders that a listing found and left out; paths as in the listing."""

    images: dict[str, list[str]] = field(default_factory=dict)
    """Those that look like images: the name of their format, or `OUTSIDE` → their paths."""
    folders: list[str] = field(default_factory=list)
    """Folders inside class folders."""
    others: Counter[str] = field(default_factory=Counter)
    """Files in class folders that are no images: their ending, or their name where there is none → how many."""

    def add_image(self, kind: str, path: str) -> None:
        """Note an image that is not read."""
        self.images.setdefault(kind, []).append(path)

    def sentences(self) -> str:
        """Count the images by kind, name some, name the folders, and say what can be done; "" where there are none."""
        said = []
        if self.images:
            paths = sorted(path for paths in self.images.values() for path in paths)
            kinds = ", ".join(f"{len(paths):,} {kind}" for kind, paths in sorted(self.images.items()))
            said.append(f"Images were passed over: {kinds} ({summarise(paths)}).{self._remedies()}")
        if self.folders:
            said.append(
                f"Folders inside class folders were passed over: {summarise(sorted(self.folders))}. "
                "Images must lie directly in the folder of their class."
            )
        return " ".join(said)

    def _remedies(self) -> str:
        heic = f" HEIC is read after pip install '{HEIC_PLUGIN}'." if HEIC.name in self.images else ""
        formats = {each.name for each in FORMATS} - {HEIC.name}
        return heic + (" Save them as PNG or JPEG." if formats & self.images.keys() else "")


def summarise(names: list[str], limit: int = 5) -> str:
    """Return the first names, and how many more there are."""
    more = f" and {len(names) - limit:,} more" if len(names) > limit else ""
    return ", ".join(names[:limit]) + more
