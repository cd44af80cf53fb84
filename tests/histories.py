"""What the fabricated run of 12 images (a cat, a dog, an owl, a cat …) was taken for after each of four epochs."""

import numpy as np

from sightline.model_zoo import build_model
from sightline.run_store import files
from sightline.run_store.history import History, history_bytes
from sightline.run_store.run import Run

IMAGES = 12
LABELS = np.arange(IMAGES) % 3
CAT, DOG, OWL = range(3)
# After the first, all are taken for cats but image 10. From then on all are right but these.
_WRONG = ({}, {5: CAT, 10: CAT}, {0: DOG, 5: CAT}, {0: DOG, 5: CAT, 10: OWL})
PREDICTED = np.stack([LABELS] * 4)
PREDICTED[0] = np.where(np.arange(IMAGES) == 10, DOG, CAT)
for _epoch, _codes in enumerate(_WRONG):
    PREDICTED[_epoch, list(_codes)] = list(_codes.values())
CONFIDENCE = np.repeat([0.5, 0.625, 0.75, 0.875], IMAGES).reshape(4, IMAGES)
WRONG_AFTER = {1: [1, 2, 4, 5, 7, 8, 11], 2: [5, 10], 3: [0, 5], 4: [0, 5, 10]}  # the last as in the predictions


def keep_history(path, predicted=PREDICTED, confidence=CONFIDENCE, epochs=(1, 2, 3, 4)):
    """Write the history of a run."""
    found = History(np.array(epochs), np.asarray(predicted, np.int16), np.asarray(confidence, np.float16))
    (path / files.HISTORY).write_bytes(history_bytes(found))


def keep_weights(path, epoch):
    """Keep weights of an epoch: another random network each, which is returned."""
    import torch
    from safetensors.torch import save_file

    with torch.random.fork_rng():
        torch.manual_seed(epoch)
        network = build_model(Run(path).record.model, 3)
    (path / files.EPOCHS).mkdir(exist_ok=True)
    save_file(network.state_dict(), path / files.epoch_weights(epoch))
    return network.eval()
