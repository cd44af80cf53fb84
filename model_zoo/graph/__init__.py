"""Keep a network as a graph, and open it again without the code that defines it."""

from sightline.model_zoo.graph.export import export_graph
from sightline.model_zoo.graph.reading import open_graph

__all__ = ["export_graph", "open_graph"]
