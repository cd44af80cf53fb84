"""A Keras model as a network of torch, whose modules are its layers; of another backend, what it predicts."""

from pathlib import Path
from typing import Any

import keras
import numpy as np
from scipy.special import softmax
from torch import Tensor, nn

from sightline.training.foreign.scores import Scores, as_logits, of_two


def as_network(model: Any) -> nn.Module | None:
    """Return a network for N×C×H×W that computes what a Keras model does, with a copy of its weights.

    None where the model does not run in torch, is no graph of layers but has a call of its own, or has a layer that
    does not say how to make another of it.
    """
    if keras.backend.backend() != "torch" or _graph_of(model) is None:
        return None
    try:
        return KerasModel(model)
    except NotImplementedError:  # a layer without get_config
        return None


def predicted(model: Any, images: Any) -> np.ndarray:
    """Return the probabilities N×C that a model of any backend predicts, which may give logits, or one for two classes.

    Raises DataError for what is neither.
    """
    scores = of_two(Scores(np.asarray(model.predict(images, verbose=0), np.float32), "scores", None, ()))
    return softmax(as_logits(Path("The model"), scores)[0], axis=1)


class KerasModel(nn.Module):
    """A copy of a Keras model, and before it the images with their channels where Keras wants them."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        copied = keras.models.clone_model(model)
        copied.set_weights(model.get_weights())
        self._copied = [copied]  # not as a module, which would be found under a second name
        self.model = _module(copied)

    def __deepcopy__(self, memo: Any) -> "KerasModel":
        return KerasModel(self._copied[0])  # Keras copies layers by their configuration alone

    def forward(self, images: Tensor) -> Any:
        is_last = keras.config.image_data_format() == "channels_last"
        with keras.device(str(images.device)):
            return self.model(images.movedim(1, -1) if is_last else images)


class _Graph(nn.Module):
    """A model that Keras calls functional or sequential: `named_modules` finds each layer by its name."""

    def __init__(self, graph: Any) -> None:
        super().__init__()
        self._run = graph._run_through_graph
        for layer in graph.operations:
            self.add_module(_name(layer), _module(layer))

    def forward(self, inputs: Any, **_: Any) -> Any:  # whether it trains and what is masked
        outputs = self._run(inputs, lambda layer: self.get_submodule(_name(layer)))
        return outputs[0] if isinstance(outputs, list) and len(outputs) == 1 else outputs


class _Layer(nn.Module):
    """A layer as it is called: Keras' own call leaves out what torch does around a module's."""

    def __init__(self, layer: Any) -> None:
        super().__init__()
        self._layer = [layer]  # not as a module, as above
        for variable in getattr(layer, "variables", ()):
            self.register_parameter(variable.path.replace("/", "_"), variable.value)

    def forward(self, *inputs: Any, **options: Any) -> Any:
        return self._layer[0](*inputs, **options)


def _name(layer: Any) -> str:
    return f"{layer.name}_" if hasattr(nn.Module, layer.name) else layer.name


def _graph_of(model: Any) -> Any:
    graph = getattr(model, "_functional", None) or model  # that of a sequential model
    return graph if hasattr(graph, "_run_through_graph") else None


def _module(model: Any) -> nn.Module:
    graph = _graph_of(model)
    return _Layer(model) if graph is None else _Graph(graph)
