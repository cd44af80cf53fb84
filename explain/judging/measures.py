"""The measures of maps on offer. Torch-free: the app names them before torch is loaded."""

from dataclasses import dataclass

from sightline.explain.judging.findings import SAME_CORRELATION


@dataclass(frozen=True)
class Measure:
    """A row of the table: what is done with the maps, what the figure says, and where it comes from."""

    title: str
    deed: str
    figure: str
    source: str
    better: str | None  # "higher" or "lower"; None where figures do not rank maps
    least: float  # the values that are possible
    most: float
    chance: float | None = None  # of a map of random numbers, where that is known
    bound: float | None = None  # a sanity check passes where the figure lies at or below it; None: no check

    @property
    def is_highest_first(self) -> bool:
        """Whether a list begins with the highest figure: that of sanity checks begins with what passes most clearly."""
        return self.better == "higher" or (self.better is None and self.bound is None)

    @property
    def direction(self) -> str:
        """What a figure is held against, in words; "" where it is neither better nor worse."""
        if self.bound is not None:
            return f"passes at {self.bound:g} or below"
        return f"{self.better} is better" if self.better else ""


MOSAICS = "gridpg"
NO_MOSAICS = (
    "GridPG is left out: fewer than four classes have a correctly classified image, or the model takes no images twice "
    "as wide as its own."
)
RANDOMISED_BOUND = 0.5  # all known bad maps lie above and no known good one: benchmarks/RESULTS.md, "Bounds"


MEASURES = {
    MOSAICS: Measure(
        "GridPG",
        "Four confident images of different classes are laid side by side, and each class's map should light up its "
        "own image.",
        "The figure is the share that does: a map that knows no class has a quarter.",
        "Rao et al. 2022, arXiv 2205.10435",
        "higher",
        0,
        1,
        0.25,
    ),
    "road_gap": Measure(
        "ROAD",
        "Pixels are taken out and filled in from their surroundings, once the most relevant first, once the least.",
        "The figure is how much more of the class's probability is left by the second: random numbers have 0.",
        "Rong et al. 2022, arXiv 2202.00449",
        "higher",
        -1,
        1,
        0,
    ),
    "blur_gap": Measure(
        "Blurring",
        "Pixels are blurred, once the most relevant first, once the least.",
        "The figure is how much more of the class's probability is left by the second: random numbers have 0.",
        "Petsiuk et al. 2018, arXiv 1806.07421: insertion less deletion",
        "higher",
        -1,
        1,
        0,
    ),
    "blur_insertion": Measure(
        "Insertion",
        "In a blurred image the most relevant pixels become sharp first.",
        "The figure is the class's mean probability on the way: the sooner it is recognised, the higher.",
        "Petsiuk et al. 2018, arXiv 1806.07421",
        "higher",
        0,
        1,
    ),
    "blur_deletion": Measure(
        "Deletion",
        "The most relevant pixels are blurred first.",
        "The figure is the class's mean probability on the way: the sooner it is lost, the lower.",
        "Petsiuk et al. 2018, arXiv 1806.07421, who make pixels grey instead",
        "lower",
        0,
        1,
    ),
    "average_drop": Measure(
        "Average drop",
        "The image is darkened wherever its map is not positive.",
        "The figure is the share of the class's probability that this costs.",
        "Chattopadhyay et al. 2018, arXiv 1710.11063",
        "lower",
        0,
        1,
    ),
    "increase": Measure(
        "Increase in confidence",
        "The image is darkened wherever its map is not positive.",
        "The figure is the share of images whose class becomes more probable by that.",
        "Chattopadhyay et al. 2018, arXiv 1710.11063",
        "higher",
        0,
        1,
    ),
    "randomisation": Measure(
        "Random parameters",
        "The network forgets what it learned, stage by stage from the head down, and its maps are compared with those "
        "before.",
        "The figure is their rank correlation: a map that stays the same shows the image, not the model.",
        "Adebayo et al. 2018, arXiv 1810.03292",
        None,
        -1,
        1,
        0,
        RANDOMISED_BOUND,
    ),
    "randomisation_smooth": Measure(
        "Random parameters, smooth",
        "The same with maps averaged over noisy copies of the image, since a gradient's own noise looks like "
        "forgetting.",
        "The figure is their rank correlation: a map that stays the same shows the image, not the model.",
        "Hedström et al. 2024, arXiv 2405.02383",
        None,
        -1,
        1,
        0,
        RANDOMISED_BOUND,
    ),
    "class_sensitivity": Measure(
        "Two classes' maps",
        "The maps of the two likeliest classes are compared.",
        "The figure is their correlation: at 1, the map does not depend on the class.",
        "as in the finding “same for all”",
        None,
        -1,
        1,
        bound=SAME_CORRELATION,
    ),
    "object_share": Measure(
        "On the object",
        "On generated images it is known where the object is.",
        "The figure is the share of the positive map that lies on it.",
        "masks of the run",
        "higher",
        0,
        1,
    ),
    "tag_minus_decoy": Measure(
        "Tag less decoy",
        "On generated images a tag may give the class away, and a decoy beside it tells nothing.",
        "The figure is the map's share on the tag less that on the decoy. Above zero: the map lies on the tag; below: "
        "on the decoy. A map that lights up any patch has 0.",
        "masks of the run",
        None,
        -1,
        1,
        0,
    ),
}
