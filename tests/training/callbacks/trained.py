"""What a run must be that a callback has made."""

import numpy as np
import torch

from sightline.model_zoo import normalize

HALF, QUARTER = (0.5,) * 3, (0.25,) * 3


def check_run(run, test, network, mean=HALF, std=QUARTER):
    """The run is complete, has the images of `test`, and predicts as `network` does, also when it is opened again.

    network: for N×3×H×W, normalised.
    """
    assert run.state == "complete"
    assert run.record.class_names == test.class_names
    np.testing.assert_array_equal(run.images()[:], test.images)
    with torch.no_grad():
        logits = network(normalize(np.array(test.images), mean, std))
        again = run.load_model()(run.to_input(run.images()[:]))
    predictions = run.predictions()
    np.testing.assert_array_equal(predictions.column("predicted"), logits.argmax(1))
    np.testing.assert_array_equal(predictions.column("label"), test.labels)
    torch.testing.assert_close(again.softmax(1), logits.softmax(1), rtol=0, atol=1e-5)
    assert run.metrics()[-1].test_accuracy == predictions.accuracy
