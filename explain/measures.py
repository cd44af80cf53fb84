"""The measures of maps on offer. Torch-free: the app names them before torch is loaded."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Measure:
    """One row of the table: what a figure means, and where it comes from."""

    title: str
    source: str
    better: str  # "higher" or "lower"
    least: float  # the values that are possible
    most: float


MEASURES = {
    "gridpg": Measure("GridPG: share in the right cell of four", "Rao et al. 2022, arXiv 2205.10435", "higher", 0, 1),
    "road_gap": Measure("ROAD: least minus most relevant first", "Rong et al. 2022, arXiv 2202.00449", "higher", -1, 1),
    "insertion": Measure("Area under the insertion curve", "Petsiuk et al. 2018, arXiv 1806.07421", "higher", 0, 1),
    "deletion": Measure("Area under the deletion curve", "Petsiuk et al. 2018, arXiv 1806.07421", "lower", 0, 1),
    "average_drop": Measure("Average drop", "Chattopadhyay et al. 2018, arXiv 1710.11063", "lower", 0, 1),
    "increase": Measure("Increase in confidence", "Chattopadhyay et al. 2018, arXiv 1710.11063", "higher", 0, 1),
    "randomisation": Measure(
        "Similarity after randomising parameters", "Adebayo et al. 2018, arXiv 1810.03292", "lower", -1, 1
    ),
    "randomisation_smooth": Measure(
        "The same of maps averaged over noisy images", "Hedström et al. 2024, arXiv 2405.02383", "lower", -1, 1
    ),
    "class_sensitivity": Measure(
        "Correlation of the maps of the two likeliest classes", "as in explain.verdicts", "lower", -1, 1
    ),
    "object_share": Measure("Share on the object", "masks of the run", "higher", 0, 1),
    "tag_minus_decoy": Measure("Share on the tag minus share on the decoy", "masks of the run", "higher", -1, 1),
}
