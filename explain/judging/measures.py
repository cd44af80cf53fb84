"""The measures of maps on offer. Torch-free: the app names them before torch is loaded."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Measure:
    """A row of the table: what is done with the maps, what the figure says, and where it comes from."""

    title: str
    deed: str
    figure: str
    source: str
    better: str  # "higher" or "lower"
    least: float  # the values that are possible
    most: float
    chance: float | None = None  # of a map that knows nothing, where that is known
    bound: float | None = None  # of a sanity check, which passes where the figure is at most this


MEASURES = {
    "gridpg": Measure(
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
        "The figure is how much more of the class's probability is left by the second: a map that knows nothing has 0.",
        "Rong et al. 2022, arXiv 2202.00449",
        "higher",
        -1,
        1,
        0,
    ),
    "blur_gap": Measure(
        "Blurring",
        "Pixels are blurred, once the most relevant first, once the least.",
        "The figure is how much more of the class's probability is left by the second: a map that knows nothing has 0.",
        "Petsiuk et al. 2018, arXiv 1806.07421: insertion less deletion",
        "higher",
        -1,
        1,
        0,
    ),
    "insertion": Measure(
        "Insertion",
        "In a blurred image the most relevant pixels become sharp first.",
        "The figure is the class's mean probability on the way: the sooner it is recognised, the higher.",
        "Petsiuk et al. 2018, arXiv 1806.07421",
        "higher",
        0,
        1,
    ),
    "deletion": Measure(
        "Deletion",
        "The most relevant pixels become grey first.",
        "The figure is the class's mean probability on the way: the sooner it is lost, the lower.",
        "Petsiuk et al. 2018, arXiv 1806.07421",
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
        "lower",
        -1,
        1,
        0,
    ),
    "randomisation_smooth": Measure(
        "Random parameters, smooth",
        "The same with maps averaged over noisy copies of the image, since a gradient's own noise looks like "
        "forgetting.",
        "The figure is their rank correlation: a map that stays the same shows the image, not the model.",
        "Hedström et al. 2024, arXiv 2405.02383",
        "lower",
        -1,
        1,
        0,
    ),
    "class_sensitivity": Measure(
        "Two classes' maps",
        "The maps of the two likeliest classes are compared.",
        "The figure is their correlation: at 1, the map does not depend on the class.",
        "as in the finding “same for all”",
        "lower",
        -1,
        1,
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
        "The figure is the map's share on the tag less that on the decoy: above 0 the model looks at the tag, while a "
        "map that lights up any patch has 0.",
        "masks of the run",
        "higher",
        -1,
        1,
        0,
    ),
}
