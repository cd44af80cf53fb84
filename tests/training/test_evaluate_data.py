"""A run of images that are in no folder for each class: it has what its maps and measures need, and nothing else."""

import numpy as np
import pytest
import timm
import torch
from PIL import Image

from sightline.app.runs import loaders
from sightline.image_data import DataError, decode_image
from sightline.image_data.resize import Resize
from sightline.model_zoo import build_model
from sightline.run_store.run import Run
from sightline.training.evaluate import EvaluateConfig, evaluate
from sightline.training.foreign.imported_model import ImportConfig, import_model
from tests.app_pages import edit_record
from tests.image_files import save

pytestmark = pytest.mark.usefixtures("data_dir")
SIDE = 112  # above the size of thumbnails
HALVES = {"mean": (0.5, 0.5, 0.5), "std": (0.25, 0.25, 0.25)}


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    torch.manual_seed(0)
    file = tmp_path_factory.mktemp("weights") / "net.pt"
    torch.save(build_model("resnet18_narrow", 3).state_dict(), file)
    return file


@pytest.fixture
def evaluated(weights, tmp_path):
    """Make a run of random weights on a data set."""

    def make(dataset, **options):
        options = {"image_size": SIDE, "layers": "layer4", "device": "cpu", **HALVES, **options}
        run, _ = import_model(ImportConfig("resnet18_narrow", dataset, weights, tmp_path / "run", **options))
        return Run(run)

    return make


def test_images_of_arrays_are_kept_whole_with_their_masks(evaluated, tmp_path, random_numbers):
    images = random_numbers.integers(0, 256, (6, SIDE, SIDE, 3), dtype=np.uint8)
    masks = (images[..., 0] > 99) * np.uint8(255)
    np.savez(tmp_path / "set.npz", images=images, labels=np.arange(6) % 3, masks=masks)
    run = evaluated(f"npz:{tmp_path / 'set.npz'}")
    (tmp_path / "set.npz").rename(tmp_path / "gone.npz")
    assert run.state == "complete" and (run.model_images(range(6)) == images).all()
    assert (run.masks()[:] == (images[..., 0] > 99)).all()


def test_originals_of_a_table_are_decoded_by_the_rule_of_the_run(evaluated, tmp_path, random_numbers):
    for number in range(3):
        coarse = Image.fromarray(random_numbers.integers(0, 256, (6, 12, 3), dtype=np.uint8))
        save(coarse.resize((300, 150), Image.Resampling.BICUBIC), tmp_path / "set" / f"{number}.png")
    rows = "".join(f"{number}.png,{name}\n" for number, name in enumerate(("cat", "dog", "owl")))
    (tmp_path / "set" / "table.csv").write_text(f"path,label\n{rows}")
    run = evaluated(f"csv:{tmp_path / 'set' / 'table.csv'}", resize="squash")
    assert run.images().shape == (3, 96, 96, 3) and run.record.resize.rule == "squash"
    files = [tmp_path / "set" / f"{number}.png" for number in range(3)]
    expected = np.stack(
        [decode_image(file, SIDE, Resize("squash", 1.0, run.record.resize.interpolation)) for file in files]
    )
    assert (run.model_images(range(3)) == expected).all()
    assert evaluate(EvaluateConfig(run.path, "cpu")).startswith("run: ")  # the same images again


def test_numbers_that_were_normalised_are_read_again_for_a_run(evaluated, tmp_path, random_numbers):
    pixels = random_numbers.integers(0, 256, (6, SIDE, SIDE, 3), dtype=np.uint8)
    normalised = ((pixels / 255 - 0.5) / 0.25).astype(np.float32)
    np.savez(tmp_path / "set.npz", images=normalised, labels=np.arange(6) % 3)
    run = evaluated(f"npz:{tmp_path / 'set.npz'}")
    assert (run.images()[:] == pixels).all()
    assert evaluate(EvaluateConfig(run.path, "cpu")).startswith("run: ")


def test_the_transform_of_a_data_set_goes_before_that_of_published_weights(tmp_path, random_numbers):
    for name in "ab":
        wide = Image.fromarray(random_numbers.integers(0, 256, (20, 60, 3), dtype=np.uint8))
        save(wide, tmp_path / "set" / name / "0.png")
    (tmp_path / "own.py").write_text(
        "from torchvision.datasets import ImageFolder\nfrom torchvision import transforms as T\n"
        f"def data(): return ImageFolder({str(tmp_path / 'set')!r}, T.Compose([T.Resize((32, 32)), T.ToTensor()]))\n"
    )
    torch.save(timm.create_model("test_resnet", num_classes=2).state_dict(), tmp_path / "w.pt")

    def made(run, dataset, **options):
        config = ImportConfig("timm:test_resnet", dataset, tmp_path / "w.pt", tmp_path / run, device="cpu", **options)
        record = Run(import_model(config)[0]).record
        return record.input_size, record.resize

    folder = f"folder:{tmp_path / 'set'}"
    assert made("own", f"{tmp_path / 'own.py'}:data") == (32, Resize("squash", 1.0, "bilinear"))
    assert made("published", folder, image_size=40) == (40, Resize("crop", 0.95, "bilinear"))
    assert made("asked", folder, image_size=40, resize="squash") == (40, Resize("squash", 1.0, "bilinear"))


def test_a_program_is_run_for_the_user_and_not_for_a_run(evaluated, tmp_path):
    file = tmp_path / "own.py"
    file.write_text(
        "import numpy as np\nfrom pathlib import Path\nPath(__file__).with_name('was_run').touch()\n"
        f"pairs = [(np.full(({SIDE}, {SIDE}), 70 * row, np.uint8), row) for row in range(3)]\n"
    )
    run = evaluated(f"{file}:pairs")
    assert run.images()[2][0, 0].tolist() == [140] * 3
    (tmp_path / "was_run").unlink()
    edit_record(run.path, dataset=f"{file}:pairs", state="failed")
    (run.path / "predictions.parquet").rename(tmp_path / "kept")
    assert "cannot be finished" in loaders.status(Run(run.path)).reason
    (tmp_path / "kept").rename(run.path / "predictions.parquet")
    with pytest.raises(DataError, match="is a program, which is run only where you name it yourself"):
        evaluate(EvaluateConfig(run.path, "cpu"))
    assert not (tmp_path / "was_run").exists()
