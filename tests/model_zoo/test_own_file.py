"""A network out of the user's own Python file: what may stand behind FILE.py:NAME, and what is said."""

import sys
from pathlib import Path
from types import ModuleType

import pytest
import torch
from torch import nn

from sightline.model_zoo import ModelError, build_model, model_spec, named_spec

NET = """
import torch
from torch import nn
from widths import WIDTH

class Net(nn.Module):
    def __init__(self, num_classes=3):
        super().__init__()
        self.head = nn.Linear(WIDTH, num_classes)

class Fixed(nn.Module):
    def __init__(self):
        super().__init__()
        self.head = nn.Linear(WIDTH, 4)

class Wide(nn.Module):
    def __init__(self, width, depth, *, num_classes, dropout=0.1, **others):
        super().__init__()

def trained():
    import late
    network = Fixed()
    nn.init.constant_(network.head.weight, late.VALUE)
    return network

def of_classes(n_classes):
    return Net(n_classes)

def nothing(): ...

def fails():
    return Net(-1)

one = Fixed()
SETTINGS = {"width": 2}
"""


@pytest.fixture
def net(tmp_path):
    (tmp_path / "net.py").write_text(NET)
    (tmp_path / "widths.py").write_text("WIDTH = 2")
    (tmp_path / "late.py").write_text("VALUE = 7")
    return tmp_path / "net.py"


def test_a_file_that_goes_to_another_folder_takes_nobody_along(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    file = written(tmp_path, f"{NET.replace('from widths import WIDTH', 'WIDTH = 2')}\nimport os; os.chdir('/')\n")
    model_spec(f"{file}:Fixed").build(4)
    assert Path.cwd() == tmp_path


def written(tmp_path, text, name="net.py"):
    (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / name).write_text(text)
    return tmp_path / name


@pytest.mark.parametrize(
    ("name", "outputs", "trained"),
    [("Net", 5, False), ("Fixed", 4, False), ("trained", 4, True), ("of_classes", 5, True), ("one", 4, True)],
)
def test_a_class_a_function_or_a_module_is_a_network(net, name, outputs, trained):
    spec = model_spec(f"{net}:{name}", 64)
    assert (spec.trained, spec.by_name, spec.weights, spec.layers, spec.input_size) == (trained, False, None, (), 64)
    assert spec.build(5).head.weight.shape == (outputs, 2)


def test_what_a_function_imports_late_is_found_too(net):
    assert model_spec(f"{net}:trained").build(4).head.weight.eq(7).all()


def test_nothing_of_it_stays_imported_or_on_the_path(net):
    path, modules, arguments = list(sys.path), set(sys.modules), sys.argv
    model_spec(f"{net}:trained").build(4)
    assert sys.path == path and sys.modules.keys() == modules and sys.argv is arguments


def test_two_files_of_one_name_with_helpers_of_one_name_do_not_mix(tmp_path, monkeypatch):
    text = (
        "from torch import nn\nimport widths\ndef network():\n    import widths\n    return nn.Linear(widths.WIDTH, 2)"
    )
    specs = []
    for width in (3, 4):
        written(tmp_path, f"WIDTH = {width}", f"{width}/widths.py")
        specs.append(model_spec(f"{written(tmp_path, text, f'{width}/net.py')}:network"))
    assert [spec.build(2).in_features for spec in specs] == [3, 4]
    other = ModuleType("widths")  # of the user's program, a notebook for example
    other.__file__ = str(written(tmp_path, "WIDTH = 5", "widths.py"))
    monkeypatch.setitem(sys.modules, "widths", other)
    assert specs[0].build(2).in_features == 3 and sys.modules["widths"] is other


@pytest.mark.parametrize("packaged", [True, False])
def test_helpers_beside_it_may_be_imported_by_a_dot(tmp_path, packaged):
    file = written(
        tmp_path, "from torch import nn\nfrom .widths import WIDTH\none = nn.Linear(WIDTH, 2)", "nets/net.py"
    )
    written(tmp_path, "WIDTH = 3" if not packaged else "from ..sizes import WIDTH", "nets/widths.py")
    if packaged:
        for name in ("__init__.py", "nets/__init__.py"):
            written(tmp_path, "", name)
        written(tmp_path, "WIDTH = 3", "sizes.py")
    assert model_spec(f"{file}:one").build(2).in_features == 3


def test_a_file_may_have_the_name_of_a_library(tmp_path):
    file = written(tmp_path, "from torch import nn\nfrom torchvision.models import resnet18 as network", "torch.py")
    assert len(model_spec(f"{file}:network").build(3).fc.weight) == 1000  # of what it is called with it says nothing
    assert sys.modules["torch"] is torch and sys.modules["torch.nn"] is nn and "torch._C._nn" in sys.modules


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("Nett", "net.py has no 'Nett'; it has Net, Fixed, Wide, trained, of_classes, nothing, fails, one"),
        ("", "is a file, give FILE.py:NAME; it has Net, Fixed"),
        ("SETTINGS", "net.py:SETTINGS is no network but a dict; name a class of torch.nn.Module, a function"),
        ("nothing", "net.py:nothing makes no network but None; name a class"),
        ("nn", "net.py:nn is no network but a module; name"),
        (
            "Wide",
            r"net.py:Wide needs arguments \(width, depth\): write a function without any in .*net.py, such as "
            r"def network\(\): return Wide\(width=…, depth=…\), and give .*net.py:network",
        ),
        ("fails", "net.py:fails cannot be built: RuntimeError in line 9 of net.py: Trying to create tensor with neg"),
    ],
)
def test_what_is_no_network_is_a_sentence(net, name, says):
    with pytest.raises(ModelError, match=says) as error:
        model_spec(f"{net}:{name}".removesuffix(":")).build(3)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("import torch\n\nimport nowhere_to_be_found", "ModuleNotFoundError in line 3 of net.py: No module named 'now"),
        ("import helper", "ZeroDivisionError in line 2 of helper.py: division by zero."),
        ("def f(:", "SyntaxError in line 1 of net.py: invalid syntax."),
        ("raise ValueError", "ValueError in line 1 of net.py."),
        ("\x00", "SyntaxError"),
        (
            "import argparse\nparser = argparse.ArgumentParser()\nparser.add_argument('data')\nparser.parse_args()",
            'SystemExit in line 4 of net.py: what runs on its own goes below if __name__ == "__main__":.',
        ),
    ],
)
def test_a_file_that_fails_is_a_sentence_with_the_line(tmp_path, text, says, capsys):
    written(tmp_path, "a = 1\na / 0", "helper.py")
    with pytest.raises(ModelError) as error:
        model_spec(f"{written(tmp_path, text)}:Net")
    assert says in str(error.value) and "net.py cannot be imported: " in str(error.value)
    assert "\n" not in str(error.value) and "helper" not in sys.modules


def test_a_file_that_is_not_there_is_a_sentence(tmp_path):
    with pytest.raises(ModelError, match="No file .*nothing.py; FILE.py:NAME names what is in a Python file"):
        model_spec(f"{tmp_path / 'nothing.py'}:Net")


@pytest.mark.parametrize("look_up", [named_spec, lambda name: build_model(name, 3)])
def test_a_name_in_somebody_s_run_runs_no_file(tmp_path, look_up):
    file = written(tmp_path, f"open({str(tmp_path / 'touched')!r}, 'w')")
    with pytest.raises(ModelError, match="Unknown model"):
        look_up(f"{file}:Net")
    assert not (tmp_path / "touched").exists()


def test_a_lightning_module_that_needs_arguments_is_sent_to_its_checkpoint(tmp_path):
    text = "from torch import nn\nclass Lit(nn.Module):\n  load_from_checkpoint = None\n  def __init__(self, rate): ..."
    with pytest.raises(ModelError, match=r"def network\(\): return Lit.load_from_checkpoint\('FILE.ckpt'\), and give"):
        model_spec(f"{written(tmp_path, text)}:Lit").build(2)
