"""Find labels that are likely wrong, by confident learning (Northcutt, Jiang and Chuang 2021).

The probabilities here are of the network that was trained on these very labels, where the paper asks for networks that
were not: a network that has learned a wrong label by heart no longer doubts it. So what is found is likely wrong, and
what is not found need not be right.
"""

import numpy as np
import torch
from torch import Tensor

MOST_LIKELY = 20  # classes that are kept of an image: of any other class its probability is below 1/20


class LabelDoubts:
    """What has to be kept of the probabilities of N images until all have been seen."""

    def __init__(self, labels: np.ndarray, classes: int) -> None:
        """labels: int N, codes."""
        kept = min(classes, MOST_LIKELY)
        self._labels, self._classes = labels, classes
        self._likely = np.zeros((len(labels), kept), np.float32)
        self._codes = np.zeros((len(labels), kept), np.int32)
        self._of_label = np.zeros(len(labels), np.float32)

    def look(self, rows: slice, probabilities: Tensor) -> None:
        """Take in the probabilities of some images, n×C."""
        labels = torch.from_numpy(self._labels[rows]).to(probabilities.device)
        likely, codes = probabilities.topk(self._likely.shape[1], dim=1)
        self._likely[rows], self._codes[rows] = likely.cpu().numpy(), codes.cpu().numpy()
        self._of_label[rows] = probabilities.gather(1, labels[:, None])[:, 0].cpu().numpy()

    @property
    def predicted(self) -> np.ndarray:
        """The likeliest class of each image, int16 N."""
        return self._codes[:, 0].astype(np.int16)

    @property
    def confidence(self) -> np.ndarray:
        """Its probability, float32 N."""
        return self._likely[:, 0]

    def suspicious(self) -> np.ndarray:
        """Tell of which images the label is likely wrong, bool N.

        A class j counts for an image where its probability reaches t_j, the mean probability of j over the images
        labelled j (equation 2 of the paper); of those that count, the likeliest is taken for the true class (equation
        1). Suspicious is an image for which that is another class than its label, the off-diagonal of the confident
        joint, unless the network takes it for its label nonetheless: t_j is high where a class is learned well, and the
        own class may fail to count where a less likely one does. The authors' program, cleanlab, passes these over too.
        """
        images = np.bincount(self._labels, minlength=self._classes)
        sums = np.bincount(self._labels, self._of_label, self._classes)
        thresholds = np.divide(sums, images, out=np.full(self._classes, np.inf), where=images > 0)
        counts = self._likely >= thresholds[self._codes]
        first = counts.argmax(axis=1)  # the likeliest come first
        rows = np.arange(len(first))
        return counts[rows, first] & (self._codes[rows, first] != self._labels) & (self._codes[:, 0] != self._labels)
