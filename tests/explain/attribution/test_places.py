"""Which layers have a map: those whose cells are places of the picture, whatever the shape of the others."""

import pytest
import torch
from torch import nn

from sightline.explain.attribution.engine import layer_attributions
from sightline.explain.attribution.errors import ExplainError
from sightline.explain.attribution.grids import map_layers, suggest_layers

CLASSES, SIDE, WIDTH = 3, 32, 64


class Around(nn.Module):
    """A convolution to WIDTH×h×w, `inside` in another arrangement of the same numbers, a convolution back in place."""

    def __init__(self, cells, there, back, inside=None):
        super().__init__()
        self.before = nn.Conv2d(3, WIDTH, SIDE // cells, SIDE // cells)
        self.inside = inside or nn.Sequential(nn.LayerNorm(there(torch.zeros(1, WIDTH, cells, cells)).shape[-1]))
        self.after = nn.Conv2d(WIDTH, WIDTH, 3, padding=1)
        self.fc = nn.Linear(WIDTH, CLASSES)
        self.there, self.back = there, back

    def forward(self, x):
        x = self.before(x)
        x = x + self.back(self.inside(self.there(x)))
        return self.fc(self.after(x).relu().mean(dim=(2, 3)))


def squares(x, side):
    """N×K×h×w → N×K×(h/side)×(w/side)×side×side."""
    return x.unflatten(3, (-1, side)).unflatten(2, (-1, side)).transpose(3, 4)


def unsquared(x):
    return x.transpose(3, 4).flatten(4, 5).flatten(2, 3)


ARRANGEMENTS = {
    # MobileViTv2: N×K×(place in a patch)×patch; of 4×4 cells, 4 patches of 4, a square
    "unfolded patches": (
        8,
        lambda x: squares(x, 2).flatten(4, 5).flatten(2, 3).transpose(2, 3),
        lambda x: unsquared(x.transpose(2, 3).unflatten(3, (2, 2)).unflatten(2, (4, 4))),
    ),
    "as many unfolded patches as places in one": (
        4,
        lambda x: squares(x, 2).flatten(4, 5).flatten(2, 3).transpose(2, 3),
        lambda x: unsquared(x.transpose(2, 3).unflatten(3, (2, 2)).unflatten(2, (2, 2))),
    ),
    "heads × tokens": (  # MViTv2
        8,
        lambda x: x.flatten(2).unflatten(1, (2, 32)).transpose(2, 3),
        lambda x: x.transpose(2, 3).flatten(1, 2).unflatten(2, (8, 8)),
    ),
    "as many tokens as channels of a head": (
        8,
        lambda x: x.flatten(2).unflatten(1, (1, 64)).transpose(2, 3),
        lambda x: x.transpose(2, 3).flatten(1, 2).unflatten(2, (8, 8)),
    ),
    "windows × tokens": (  # NesT
        8,
        lambda x: squares(x, 4).flatten(4, 5).flatten(2, 3).permute(0, 2, 3, 1),
        lambda x: unsquared(x.permute(0, 3, 1, 2).unflatten(3, (4, 4)).unflatten(2, (2, 2))),
    ),
    "as many windows as tokens in one": (
        4,
        lambda x: squares(x, 2).flatten(4, 5).flatten(2, 3).permute(0, 2, 3, 1),
        lambda x: unsquared(x.permute(0, 3, 1, 2).unflatten(3, (2, 2)).unflatten(2, (2, 2))),
    ),
    "tokens, window after window": (  # Hiera
        8,
        lambda x: squares(x, 2).flatten(2).transpose(1, 2),
        lambda x: unsquared(x.transpose(1, 2).unflatten(2, (4, 4, 2, 2))),
    ),
    "columns before rows": (
        8,
        lambda x: x.transpose(2, 3).flatten(2).transpose(1, 2),
        lambda x: x.transpose(1, 2).unflatten(2, (8, 8)).transpose(2, 3),
    ),
    "channels × tokens": (8, lambda x: x.flatten(2), lambda x: x.unflatten(2, (8, 8))),  # a mixer; 64 of each
}


@pytest.fixture(params=range(3))
def seed(request):
    torch.manual_seed(request.param)


@pytest.mark.parametrize("name", ARRANGEMENTS)
def test_a_layer_in_another_arrangement_is_neither_listed_nor_suggested_nor_explained(name, seed):
    cells, there, back = ARRANGEMENTS[name]
    model, images = Around(cells, there, back).eval(), torch.randn(2, 3, SIDE, SIDE)
    x = torch.randn(1, WIDTH, cells, cells)
    assert torch.equal(back(there(x)), x)
    assert map_layers(model, images) == {"before": (cells, cells), "after": (cells, cells)}
    assert set(suggest_layers(model, images)) <= {"before", "after"}
    for layer in ("inside", "inside.0"):
        with pytest.raises(ExplainError, match=f"'{layer}' is no map of height and width; choose from: before, after."):
            layer_attributions(model, images, [layer], torch.tensor([0, 1]))


class Attention(nn.Module):
    """Global attention of one head over N×tokens×K, with its matrix N×1×tokens×tokens as a layer."""

    def __init__(self):
        super().__init__()
        self.qkv, self.matrix, self.proj = nn.Linear(WIDTH, 3 * WIDTH), nn.Softmax(dim=-1), nn.Linear(WIDTH, WIDTH)

    def forward(self, x):
        query, key, value = self.qkv(x).chunk(3, dim=-1)
        return self.proj(self.matrix((query @ key.transpose(1, 2))[:, None] / WIDTH**0.5)[:, 0] @ value)


def tokens(x):
    return x.flatten(2).transpose(1, 2)


def untokens(x):
    return x.transpose(1, 2).unflatten(2, (8, 8))


def test_global_attention_has_maps_but_its_matrix_has_none(seed):
    model = Around(
        8, tokens, untokens, nn.Sequential(*(nn.Sequential(nn.LayerNorm(WIDTH), Attention()) for _ in "four"))
    )
    expected = [name for name, _ in model.named_modules() if name not in ("", "fc") and "matrix" not in name]
    maps = map_layers(model.eval(), torch.zeros(1, 3, SIDE, SIDE))
    assert sorted(maps) == sorted(expected) and set(maps.values()) == {(8, 8)}


class Padded(nn.Module):
    """Pad 8×8 cells to 14×14, as Swin does for its windows."""

    def forward(self, x):
        return nn.functional.pad(x, (0, 6, 0, 6))


def test_cells_of_a_padded_map_are_places_of_another_picture(seed):
    model = Around(8, lambda x: x, lambda x: x[:, :, :8, :8], nn.Sequential(Padded(), nn.Conv2d(WIDTH, WIDTH, 1)))
    assert list(map_layers(model.eval(), torch.zeros(1, 3, SIDE, SIDE))) == ["before", "after"]


def test_a_layer_that_does_not_change_is_judged_by_its_shape():
    model = nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(),
        nn.Linear(8, CLASSES),
    ).eval()  # fmt: skip
    model[1].weight.data.zero_()
    model[1].bias.data.fill_(-1)
    assert map_layers(model, torch.zeros(1, 3, 16, 16)) == {"0": (16, 16), "1": (16, 16), "2": (16, 16), "3": (1, 1)}


def test_a_network_that_answers_with_nan_still_has_layers():
    model = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(), nn.Flatten(), nn.Linear(8 * 256, CLASSES)).eval()
    model[0].weight.data[0] = torch.nan
    assert list(map_layers(model, torch.zeros(1, 3, 16, 16))) == ["0", "1"]


@pytest.mark.parametrize("size", [(32, 32), (20, 60), (32, 24)])
def test_ordinary_layers_down_to_one_cell_are_listed(size, seed):
    model = nn.Sequential(
        *(nn.Sequential(nn.Conv2d(i, o, 3, 2, 1), nn.BatchNorm2d(o), nn.ReLU()) for i, o in ((3, 4), (4, 8), (8, 8))),
        nn.Conv2d(8, 8, 7, padding=3), nn.Conv2d(8, 8, 3, 2, 1), nn.AdaptiveAvgPool2d(1), nn.Flatten(),
        nn.Linear(8, CLASSES),
    ).eval()  # fmt: skip
    expected = [name for name, _ in model.named_modules() if name and name not in ("6", "7")]
    assert sorted(map_layers(model, torch.zeros(1, 3, *size))) == sorted(expected)


@pytest.mark.parametrize("where", ["head", "last scale", "logits"])
def test_where_no_logit_speaks_layers_are_suggested_all_the_same(where):
    model = nn.Sequential(
        nn.Conv2d(3, 8, 3, 2, 1), nn.Conv2d(8, 8, 3, 2, 1), nn.AdaptiveAvgPool2d(1), nn.BatchNorm2d(8), nn.Flatten(),
        nn.Linear(8, CLASSES), nn.ReLU(),
    ).eval()  # fmt: skip
    if where == "logits":
        model[5].bias.data.fill_(-1e3)
    else:
        model[{"head": 5, "last scale": 3}[where]].weight.data.zero_()
    assert suggest_layers(model, torch.randn(1, 3, 32, 32)) == ("0", "1")


def test_layers_that_the_logits_do_not_use_are_not_suggested():
    class TwoBranches(nn.Module):
        def __init__(self):
            super().__init__()
            self.used, self.unused = nn.Conv2d(3, 8, 3, 2, 1), nn.Conv2d(8, 8, 3, 2, 1)
            self.fc = nn.Linear(8, CLASSES)

        def forward(self, x):
            x = self.used(x)
            self.unused(x)
            return self.fc(x.mean(dim=(2, 3)))

    model, images = TwoBranches().eval(), torch.randn(1, 3, 32, 32)
    assert list(map_layers(model, images)) == ["used", "unused"] and suggest_layers(model, images) == ("used",)


def test_finding_layers_leaves_the_network_as_it_was(seed):
    model, images = Around(*ARRANGEMENTS["windows × tokens"]).train(), torch.randn(1, 3, SIDE, SIDE)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    first, again = suggest_layers(model, images), suggest_layers(model, images)
    assert first == again and model.training and all(parameter.requires_grad for parameter in model.parameters())
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert not any(module._forward_hooks for module in model.modules()) and images.grad is None
