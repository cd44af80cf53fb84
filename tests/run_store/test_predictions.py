"""The predictions table: what is written, what is refused, and filters, orders and counts by hand."""

import math

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

from sightline.run_store import predictions_file
from sightline.run_store.files import FileError
from sightline.run_store.predictions import ORDERS, REQUIRED_COLUMNS, Filter, Predictions, Range
from sightline.run_store.predictions_file import classes_table, predictions_table, read_predictions

NAMES = ("cat", "dog", "owl")
# Softmax of the logarithms of 1, 2, 5 is 1/8, 2/8, 5/8.
LOGITS = np.log(np.array([[1, 2, 5], [6, 1, 1], [1, 4, 3], [2, 5, 1]], np.float32))
LABELS = np.array([2, 1, 2, 1])


def hand_made(labels, predicted, confidence, class_names=NAMES):
    """Predictions of which only these columns are asked for."""
    count = len(labels)
    scalars = pa.table({
        "index": np.arange(count), "label": np.array(labels, np.int16), "predicted": np.array(predicted, np.int16),
        "confidence": np.array(confidence, np.float32), "margin": np.array(confidence, np.float32) / 2,
        "loss": 1 - np.array(confidence, np.float32), "entropy": np.zeros(count, np.float32),
    })  # fmt: skip
    return Predictions(class_names, scalars, np.zeros((count, len(class_names)), np.float16))


# true →      cat cat dog dog dog owl
# predicted → cat dog cat cat dog dog
SIX = ([0, 0, 1, 1, 1, 2], [0, 1, 0, 0, 1, 1], [0.9, 0.5, 0.7, 0.8, 0.6, 0.7])


@pytest.fixture
def six():
    return hand_made(*SIX)


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "predictions.parquet"
    pq.write_table(predictions_table(LOGITS, LABELS), path)
    return path


def changed(file, name, values):
    """Replace a column of the table in `file`."""
    table = pq.read_table(file)
    pq.write_table(table.set_column(table.column_names.index(name), name, values), file)


def test_confidence_margin_loss_and_entropy_of_one_image_computed_by_hand(file):
    first = read_predictions(file, NAMES, 4).table.iloc[0]
    assert (first["label"], first["predicted"]) == (2, 2)
    assert first["confidence"] == pytest.approx(5 / 8)
    assert first["margin"] == pytest.approx(5 / 8 - 2 / 8)
    assert first["loss"] == pytest.approx(-math.log(5 / 8))
    assert first["entropy"] == pytest.approx(math.log(8) / 8 + math.log(4) / 4 + math.log(8 / 5) * 5 / 8)


def test_the_table_agrees_with_torch():
    logits = torch.randn(50, 7, generator=torch.Generator().manual_seed(1)) * 10
    labels = torch.arange(50) % 7
    table = predictions_table(logits.numpy(), labels.numpy())
    chances = logits.double().softmax(1)
    loss = torch.nn.functional.cross_entropy(logits.double(), labels, reduction="none")
    entropy = torch.distributions.Categorical(logits=logits.double()).entropy()
    assert table["predicted"].to_pylist() == logits.argmax(1).tolist()
    np.testing.assert_allclose(table["confidence"], chances.max(1).values, rtol=1e-6)
    np.testing.assert_allclose(table["loss"], loss, rtol=1e-6, atol=1e-7)
    np.testing.assert_allclose(table["entropy"], entropy, rtol=1e-5, atol=1e-7)
    np.testing.assert_allclose(np.stack(table["probabilities"].to_pylist()), chances, atol=5e-4)


def test_the_table_has_the_types_of_the_contract():
    schema = predictions_table(LOGITS, LABELS, ("a", "b", "c", "d")).schema
    assert {name: str(schema.field(name).type) for name in schema.names} == {
        "index": "int64", "label": "int16", "predicted": "int16", "confidence": "float", "margin": "float",
        "loss": "float", "entropy": "float", "probabilities": "fixed_size_list<item: halffloat>[3]", "path": "string",
    }  # fmt: skip


def test_huge_logits_neither_overflow_nor_lose_the_loss():
    table = predictions_table(np.array([[1e4, 0], [0, 1e4]], np.float32), np.array([0, 0]))
    assert table["loss"].to_pylist() == [0, 1e4]
    assert table["entropy"].to_pylist() == [0, 0]


def test_a_single_class_is_always_certain():
    table = predictions_table(np.array([[3.0]], np.float32), np.array([0]))
    assert (table["confidence"][0].as_py(), table["margin"][0].as_py()) == (1, 1)


def test_reading_keeps_foreign_columns_and_the_probabilities(file):
    table = pq.read_table(file).append_column("camera", pa.array(["a", "b", "a", "b"]))
    pq.write_table(table, file)
    predictions = read_predictions(file, NAMES, 4)
    assert list(predictions.table["camera"]) == ["a", "b", "a", "b"]
    np.testing.assert_allclose(predictions.probabilities[0], [0.125, 0.25, 0.625], atol=1e-3)
    assert not predictions.probabilities.flags.writeable


def test_a_table_that_pandas_wrote_back_still_opens(file):
    frame = pd.read_parquet(file)
    frame.assign(blurred=[1, 0, 1, 0]).set_index("blurred").to_parquet(file)
    predictions = read_predictions(file, NAMES, 4)
    assert list(predictions.table["blurred"]) == [1, 0, 1, 0]
    np.testing.assert_allclose(predictions.probabilities[1], [0.75, 0.125, 0.125])


@pytest.mark.parametrize(
    ("name", "values", "says"),
    [
        ("label", pa.array([0, 1, 3, 0], pa.int16()), "class outside 0–2"),
        ("predicted", pa.array([0, -1, 1, 0], pa.int16()), "class outside 0–2"),
        ("label", pa.array(["a", "b", "c", "d"]), "class outside"),
        ("label", pa.array([0, None, 1, 0], pa.int16()), "class outside"),
        ("confidence", pa.array(["0.5"] * 4), "numbers in confidence"),
        ("loss", pa.array([[0.5]] * 4), "columns once: loss"),
        ("index", pa.array([1, 0, 2, 3]), "order of the images"),
        ("probabilities", pa.array([[0.5, 0.5]] * 4), "3 probabilities"),
        ("probabilities", pa.array([[0.2, 0.3, 0.5], None] * 2), "3 probabilities"),
        ("probabilities", pa.array([[0.2, None, 0.5]] * 4), "3 probabilities"),
        ("probabilities", pa.array([0.5] * 4), "3 probabilities"),
    ],
)
def test_a_column_that_holds_something_else_is_refused(file, name, values, says):
    changed(file, name, values)
    with pytest.raises(FileError, match=says):
        read_predictions(file, NAMES, 4)


def test_codes_of_any_integer_type_and_an_index_of_whole_floats_are_read(file):
    changed(file, "label", pa.array([2, 1, 2, 1], pa.uint64()))
    changed(file, "predicted", pa.array([2, 0, 1, 1], pa.uint64()))
    changed(file, "index", pa.array([0.0, 1.0, 2.0, 3.0]))
    assert read_predictions(file, NAMES, 4).confusion.dense().tolist() == [[0, 0, 0], [1, 1, 0], [0, 1, 1]]


def test_a_foreign_column_that_pandas_cannot_hold_leaves_the_others(file):
    table = pq.read_table(file).append_column("due", pa.array([10**7] * 4, pa.date32()))
    pq.write_table(table, file)
    assert list(read_predictions(file, NAMES, 4).table) == list(REQUIRED_COLUMNS)


def test_a_missing_and_a_doubled_column_are_named(file):
    table = pq.read_table(file)
    pq.write_table(table.drop_columns(["margin"]).append_column("loss", table["loss"]), file)
    with pytest.raises(FileError, match="columns once: margin, loss"):
        read_predictions(file, NAMES, 4)


def with_column(file, name, values, **options):
    """Add a column to the table in `file`."""
    pq.write_table(pq.read_table(file).append_column(name, values), file, **options)


def test_a_table_of_another_length_than_the_images_is_refused_before_it_is_read(file):
    with pytest.raises(FileError, match="has 4 rows but images.npy 5 images"):
        read_predictions(file, NAMES, 5)


def test_a_table_that_unpacks_to_gigabytes_is_refused_by_what_its_footer_says(tmp_path):
    file, images = tmp_path / "bomb.parquet", 1000
    pq.write_table(predictions_table(np.zeros((images, 3), np.float32), np.zeros(images, int)), file)
    with_column(file, "note", pa.array([b"x" * 2**18] * images), use_dictionary=False, compression="zstd")
    assert file.stat().st_size < 2**20
    with pytest.raises(FileError, match="values in 250 MiB, too many for 1,000 images"):
        read_predictions(file, NAMES, images)


@pytest.mark.parametrize(("scale", "is_read"), [(0, False), (1, True)], ids=["all alike", "as networks give them"])
def test_many_values_that_take_no_room_in_the_file_are_refused(tmp_path, monkeypatch, random_numbers, scale, is_read):
    monkeypatch.setattr(predictions_file, "MANY", 2**16)
    file, images, names = tmp_path / "bomb.parquet", 500, tuple(map(str, range(1000)))
    logits = scale * random_numbers.standard_normal((images, len(names)), np.float32)
    pq.write_table(predictions_table(logits, np.zeros(images, int)), file)
    if is_read:
        assert len(read_predictions(file, names, images)) == images
        return
    with pytest.raises(FileError, match=r"holds 503,500 values in 0 MiB, too many .* or for \d+ KiB of the file"):
        read_predictions(file, names, images)


@pytest.mark.parametrize("codec", ["zstd", "gzip", "brotli", "lz4"])
def test_a_compression_that_may_unpack_to_anything_is_refused_whatever_the_footer_says(file, codec):
    """A footer may say 100 bytes where a page of 31 KB becomes 900 MB."""
    pq.write_table(pq.read_table(file), file, compression=codec)
    with pytest.raises(FileError, match=f"is compressed with {codec.upper()} and may be with SNAPPY or UNCOMPRESSED"):
        read_predictions(file, NAMES, 4)


@pytest.mark.parametrize("codec", ["snappy", "none"])
def test_what_is_compressed_little_is_read(file, codec):
    pq.write_table(pq.read_table(file), file, compression=codec)
    assert len(read_predictions(file, NAMES, 4)) == 4


def test_more_images_than_can_be_shown_are_refused(file, monkeypatch):
    monkeypatch.setattr(predictions_file, "MOST_IMAGES", 3)
    with pytest.raises(FileError, match="has 4 rows, and there may be 3"):
        read_predictions(file, NAMES, 4)


def test_a_long_text_said_again_and_again_is_not_written_out(tmp_path):
    """A dictionary of one text of 64 KiB, for 10,000 images: 600 MB."""
    file, images = tmp_path / "bomb.parquet", 10_000
    pq.write_table(predictions_table(np.zeros((images, 3), np.float32), np.zeros(images, int)), file)
    with_column(file, "path", pa.DictionaryArray.from_arrays(np.zeros(images, np.int32), ["x" * 2**16]))
    assert file.stat().st_size < 2**20
    with pytest.raises(FileError, match="625 MiB of text"):
        read_predictions(file, NAMES, images)


def test_lists_are_no_filters_and_are_not_read(file):
    with_column(file, "boxes", pa.array([[1] * 10_000, [], [2], None]))
    assert "boxes" not in read_predictions(file, NAMES, 4).scalars.column_names


@pytest.mark.parametrize(
    "values",
    [
        pa.array([1, 2, None, 4], pa.time64("us")), pa.array([1, 2, None, 4], pa.duration("ns")),
        pa.array([b"\xff", b"", None, b"x"]), pa.nulls(4), pa.array([2**63, 0, 1, 2], pa.uint64()),
        pa.array([1, 2, 3, None], pa.decimal128(38, 0)), pa.array([math.inf, -math.inf, math.nan, None]),
    ],
    ids=lambda values: str(values.type),
)  # fmt: skip
def test_a_column_of_any_type_leaves_the_table_readable(file, values):
    with_column(file, "odd", values)
    predictions = read_predictions(file, NAMES, 4)
    assert predictions.numbers and predictions.words is not None and len(predictions.table) == 4
    for name in predictions.numbers:
        predictions.ends(name)


def test_a_text_that_is_no_unicode_is_damage_and_not_the_pages_problem(file):
    bad = pa.Array.from_buffers(pa.string(), 4, pa.array([b"a", b"\xff", b"b", b"c"]).buffers())
    with_column(file, "camera", bad)
    with pytest.raises(FileError):
        read_predictions(file, NAMES, 4)


def test_the_mistakes_come_first_by_confidence_and_ties_by_row(six):
    # Wrong are rows 1, 2, 3 and 5, with confidences 0.5, 0.7, 0.8 and 0.7.
    assert six.select(Filter()).tolist() == [3, 2, 5, 1]
    assert six.select(Filter(), "least confident first").tolist() == [1, 2, 5, 3]


def test_filters_combine(six):
    assert six.select(Filter(outcome="right"), "test order").tolist() == [0, 4]
    assert six.select(Filter(outcome="all", label=1), "test order").tolist() == [2, 3, 4]
    assert six.select(Filter(outcome="all", predicted=1), "test order").tolist() == [1, 4, 5]
    assert six.select(Filter(label=1, predicted=0, columns=(("confidence", Range(0.75)),))).tolist() == [3]
    assert six.select(Filter(label=2, predicted=0)).tolist() == []


def test_both_ends_belong_to_the_range(six):
    # 0.7 and 0.8 are no float32: the bound has to be compared as the column stores it.
    assert six.select(Filter("all", columns=(("confidence", Range(0.7, 0.8)),)), "test order").tolist() == [2, 3, 5]


@pytest.fixture
def foreign():
    """SIX with columns of another program."""
    columns = {
        "angle": pa.array([10, None, 30, 40, 50, 60]),
        "camera": pa.array(["left", "right", None, "left", "left", "right"]),
        "night": pa.array([True, False, False, True, True, True]), "taken": pa.array([0] * 6, pa.date32()),
        "sensor": pa.array(list("aabbab")).dictionary_encode(), "path": pa.array(list("uvwxyz")),
    }  # fmt: skip
    six = hand_made(*SIX)
    table = six.scalars
    for name, values in columns.items():
        table = table.append_column(name, values)
    return Predictions(six.class_names, table, six.probabilities)


def test_foreign_columns_are_numbers_words_or_neither(foreign):
    assert foreign.numbers == ("confidence", "margin", "loss", "entropy", "angle")
    assert {name: column.words for name, column in foreign.words.items()} == {
        "camera": ("left", "right"), "night": ("True", "False"), "sensor": ("a", "b")
    }  # fmt: skip


def test_a_column_with_too_many_words_is_no_choice(monkeypatch, foreign):
    monkeypatch.setattr("sightline.run_store.predictions.MOST_WORDS", 1)
    assert foreign.words == {}


def test_a_column_that_is_there_twice_is_left_out(foreign):
    doubled = foreign.scalars.append_column("angle", pa.array([0] * 6))
    assert "angle" not in Predictions(NAMES, doubled, foreign.probabilities).numbers


@pytest.mark.parametrize(
    "columns, rows",
    [
        ((("angle", Range(30, 50)),), [2, 3, 4]),
        ((("angle", Range(high=30)),), [0, 2]),  # row 1 has none
        ((("camera", "left"),), [0, 3, 4]),
        ((("camera", "left"), ("night", "True"), ("angle", Range(20))), [3, 4]),
        ((("sensor", "b"),), [2, 3, 5]),
        ((("camera", "upper"),), []),
        ((("altitude", Range(5)), ("camera", Range(5)), ("angle", "left"), ("path", "u")), [0, 1, 2, 3, 4, 5]),
    ],
)
def test_foreign_columns_filter(foreign, columns, rows):
    assert foreign.select(Filter("all", columns=columns), "test order").tolist() == rows


def test_counts_follow_the_other_conditions_and_not_their_own(foreign):
    wanted = Filter("wrong", label=1, columns=(("camera", "left"),))  # row 3; wrong are 1, 2, 3 and 5
    assert foreign.outcome_counts(wanted) == {"wrong": 1, "right": 1, "all": 2}
    assert foreign.class_counts("label", wanted).tolist() == [0, 1, 0]
    assert foreign.class_counts("label", Filter("wrong")).tolist() == [1, 2, 1]
    assert foreign.class_counts("predicted", wanted).tolist() == [1, 0, 0]
    assert foreign.word_counts("camera", wanted).tolist() == [1, 0]  # of rows 2, without a camera, and 3
    assert foreign.word_counts("night", wanted).tolist() == [1, 0]


def test_classes_are_counted_with_every_outcome(six):
    assert six.class_counts("label", Filter("right")).tolist() == [1, 1, 0]  # of rows 0 and 4
    assert six.class_counts("label", Filter("right", predicted=1)).tolist() == [0, 1, 0]
    assert six.class_counts("label", Filter("all", predicted=1)).tolist() == [1, 1, 1]  # of rows 1, 4 and 5
    assert six.class_counts("predicted", Filter("all", label=1)).tolist() == [2, 1, 0]  # of rows 2, 3 and 4
    assert six.class_counts("predicted", Filter("wrong", label=0)).tolist() == [0, 1, 0]  # of row 1


def test_a_histogram_counts_what_passes_the_other_conditions(foreign, six):
    # sure        0.9    0.5    0.7    0.8    0.6    0.7
    edges = np.array([0.45, 0.65, 0.95])
    sure = Filter("all", columns=(("margin", Range(0.29)), ("confidence", Range(0.85))))  # a margin is half as large
    assert six.histogram("confidence", Filter("all"), edges).tolist() == [2, 4]
    assert six.histogram("confidence", sure, edges).tolist() == [1, 4]  # not the image that is 0.5 sure
    assert six.histogram("confidence", Filter("wrong"), edges).tolist() == [1, 3]
    assert six.histogram("confidence", Filter("all"), np.array([0.75, 0.85, 2])).tolist() == [1, 1]
    assert six.histogram("confidence", Filter("all"), np.array([0.25, 0.5])).tolist() == [1]  # the last end is in
    assert foreign.histogram("angle", Filter("all"), np.array([0.0, 100.0])).sum() == 5  # row 1 has none


def test_a_column_is_whole_where_all_its_finite_numbers_are(foreign, six):
    assert foreign.is_whole("angle") and not six.is_whole("confidence")


def test_counts_go_on_following_a_range_that_is_moved(six):
    for low, rows in [(0.75, 1), (0.65, 3), (0.0, 4), (0.75, 1)]:  # wrong are 0.5, 0.7, 0.8 and 0.7 sure
        wanted = Filter(columns=(("confidence", Range(low)),))
        assert six.outcome_counts(wanted)["wrong"] == six.class_counts("label", wanted).sum() == rows


def test_the_ends_of_a_column_are_finite(foreign):
    assert foreign.ends("angle").tolist() == [10, 60]
    assert hand_made([0, 1, 2], [0, 1, 2], [math.nan, 0.5, -math.inf]).ends("confidence").tolist() == [0.5, 0.5]
    assert hand_made([0], [0], [math.inf]).ends("confidence").tolist() == []


@pytest.mark.parametrize("order", ORDERS)
def test_every_order_lists_every_row_once(six, order):
    assert sorted(six.select(Filter("all"), order)) == [0, 1, 2, 3, 4, 5]


def test_rows_that_are_kept_come_in_order_and_ties_by_row(six):
    keep = np.array([False, True, True, False, False, True])  # with confidences 0.5, 0.7 and 0.7
    assert six.in_order(keep, "most confident first").tolist() == [2, 5, 1]
    assert six.in_order(keep, "least confident first").tolist() == [1, 2, 5]


def test_orders_go_the_way_their_names_say(six):
    # Margin is half the confidence and loss is one minus the confidence.
    assert six.select(Filter("all"), "highest loss first").tolist() == [1, 4, 2, 5, 3, 0]
    assert six.select(Filter("all"), "smallest margin first").tolist() == [1, 4, 2, 5, 3, 0]


def test_confusion_counts_true_classes_in_rows(six):
    assert six.confusion.dense().tolist() == [[1, 1, 0], [2, 1, 0], [0, 1, 0]]
    assert six.accuracy == pytest.approx(2 / 6)


def test_precision_recall_and_support_by_hand(six):
    table = six.per_class()
    assert table["class"].tolist() == ["cat", "dog", "owl"]
    assert table["support"].tolist() == [2, 3, 1]
    assert table["recall"].tolist() == pytest.approx([1 / 2, 1 / 3, 0])
    assert table["precision"].tolist() == pytest.approx([1 / 3, 1 / 3, math.nan], nan_ok=True)


def test_a_class_without_images_has_no_recall():
    table = hand_made([0, 0], [0, 2], [1, 1]).per_class()
    assert table["recall"].tolist() == pytest.approx([0.5, math.nan, math.nan], nan_ok=True)
    assert table["precision"].tolist() == pytest.approx([1, math.nan, 0], nan_ok=True)


def test_most_confused_lists_mistakes_by_number_and_ties_by_class(six):
    assert six.most_confused() == [(1, 0, 2), (0, 1, 1), (2, 1, 1)]
    assert six.most_confused(1) == [(1, 0, 2)]


def test_most_confused_of_a_class_lists_its_row_or_its_column(six):
    assert six.most_confused(label=2) == [(2, 1, 1)]
    assert six.most_confused(predicted=1) == [(0, 1, 1), (2, 1, 1)]
    assert six.most_confused(label=0, predicted=2) == []


def test_a_model_without_mistakes_confuses_nothing():
    perfect = hand_made([0, 1, 2], [0, 1, 2], [1, 1, 1])
    assert (len(perfect.most_confused()), len(perfect.select(Filter())), perfect.accuracy) == (0, 0, 1)


def test_of_twenty_thousand_classes_only_the_cells_that_have_images_are_kept():
    labels = np.arange(20_000)
    predicted = np.where(labels % 2, labels, labels - labels % 10)  # even ones are taken for a multiple of ten
    predictions = hand_made(labels, predicted, np.full(20_000, 0.5), tuple(map(str, labels)))
    assert len(predictions.confusion.cells) == 20_000
    assert predictions.most_confused(2) == [(2, 0, 1), (4, 0, 1)]
    assert predictions.class_counts("predicted", Filter("all"))[[0, 1, 2, 10]].tolist() == [5, 1, 0, 5]
    assert predictions.per_class()["recall"].iloc[:4].tolist() == [1, 1, 0, 1]


def test_a_thousand_classes_are_counted():
    labels = np.arange(1000)
    predictions = hand_made(labels, (labels + 1) % 1000, np.full(1000, 0.5), tuple(map(str, labels)))
    assert predictions.confusion.dense()[999, 0] == 1 and predictions.confusion.images.sum() == 1000
    assert predictions.most_confused(3) == [(0, 1, 1), (1, 2, 1), (2, 3, 1)]


def test_predicted_classes_alone_are_read_and_what_they_do_not_say_is_nan(tmp_path):
    file = tmp_path / "classes.parquet"
    pq.write_table(classes_table(np.array([2, 0, 1]), np.array([2, 1, 1]), ("a", "b", "c")), file)
    predictions = read_predictions(file, NAMES, 3)
    assert predictions.probabilities is None and predictions.accuracy == pytest.approx(2 / 3)
    for name in ("confidence", "margin", "loss", "entropy"):
        assert np.isnan(predictions.column(name)).all()
    assert predictions.orders == ("test order",)
    for order in ORDERS:  # an address may ask for any
        assert predictions.select(Filter("all"), order).tolist() == [0, 1, 2]
    assert predictions.select(Filter("all", columns=(("confidence", Range(0.0)),))).tolist() == []


def test_the_confidence_of_predicted_classes_is_kept_where_it_is_known(tmp_path):
    file = tmp_path / "classes.parquet"
    confidence = np.array([0.5, np.nan, 0.75])
    pq.write_table(classes_table(np.array([0, 0, 0]), np.array([1, 1, 1]), confidence=confidence), file)
    predictions = read_predictions(file, NAMES, 3)
    assert predictions.orders == ("most confident first", "least confident first", "test order")
    assert predictions.select(Filter()).tolist() == [2, 0, 1]  # what is not known comes last
    assert predictions.select(Filter(), "least confident first").tolist() == [0, 2, 1]


def test_a_table_with_figures_that_has_lost_its_probabilities_is_damaged(file):
    pq.write_table(pq.read_table(file).drop_columns(["probabilities"]), file)
    with pytest.raises(FileError, match="3 probabilities"):
        read_predictions(file, NAMES, 4)
