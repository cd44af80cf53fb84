"""Tables of predictions that other programs write are read as they were meant, or refused in a sentence."""

import io
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sightline.image_data import DataError
from sightline.training.foreign.predictions import read_foreign_predictions

NAMES = ("cat", "dog", "owl")
P = np.array([[0.7, 0.2, 0.1], [0.1, 0.2, 0.7], [0.3, 0.4, 0.3]])


@pytest.fixture
def write(tmp_path):
    """Write a table, as text or as arrays, and return its file."""

    def write(content, name="table.csv"):
        file = tmp_path / name
        if isinstance(content, str):
            file.write_text(content)
        elif isinstance(content, np.ndarray):
            np.save(file, content)
        elif name.endswith(".npz"):
            np.savez(file, **content)
        elif name.endswith(".parquet"):
            pq.write_table(pa.table(content), file)
        else:
            pd.DataFrame(content).to_csv(file)
        return file

    return write


def probabilities(found):
    p = np.exp(found.logits.astype(float))
    return p / p.sum(axis=1, keepdims=True)


@pytest.mark.parametrize("prefix", ["prob_", "Prob ", "probs-", "p_", "score_", "probability."])
def test_numbered_columns_are_probabilities_in_the_order_of_the_classes(write, prefix):
    columns = {f"{prefix}{code}": P[:, code] for code in (2, 0, 1)}
    found = read_foreign_predictions(write({"path": ["a", "b", "c"], "label": [0, 1, 1], **columns}), NAMES)
    assert probabilities(found) == pytest.approx(P)
    assert found.predicted.tolist() == [0, 2, 1] and found.labels.tolist() == [0, 1, 1]
    assert found.paths == ("a", "b", "c") and found.class_names == NAMES and found.extra.column_names == []


def test_columns_named_after_classes_say_the_classes_whatever_their_order(write):
    columns = {"owl": P[:, 2], "cat": P[:, 0], "dog": P[:, 1]}
    file = write({"y_true": ["cat", "dog", "dog"], **columns})
    found = read_foreign_predictions(file, None)
    assert [found.class_names[code] for code in found.predicted] == ["cat", "owl", "dog"]
    found = read_foreign_predictions(file, NAMES)
    assert found.class_names == NAMES and probabilities(found) == pytest.approx(P)
    found = read_foreign_predictions(write({f"prob_{name}": values for name, values in columns.items()}), NAMES)
    assert probabilities(found) == pytest.approx(P)


def test_a_column_of_lists_and_arrays_of_several_types_are_read(write):
    lists = pa.array(P.tolist())
    fixed = pa.FixedSizeListArray.from_arrays(pa.array(P.astype(np.float16).ravel()), 3)
    for column in (lists, fixed):
        found = read_foreign_predictions(write({"label": [0, 1, 1], "probabilities": column}, "t.parquet"), NAMES)
        assert probabilities(found) == pytest.approx(P, abs=1e-3)
    for array in (P, P.astype(">f4"), np.asfortranarray(P), P * 100):
        assert probabilities(read_foreign_predictions(write(array, "t.npy"), NAMES)) == pytest.approx(P)
    found = read_foreign_predictions(write({"y_true": np.array([2, 1, 0]), "probs": P}, "t.npz"), None)
    assert found.labels.tolist() == [2, 1, 0] and found.class_names is None and found.classes == 3


def test_logits_are_told_from_probabilities_by_their_name_or_their_values(write):
    logits = np.log(P) + 5
    for name in ("logits", "predictions", "scores"):  # transformers' Trainer calls them predictions
        found = read_foreign_predictions(write({"label_ids": np.array([0, 1, 1]), name: logits}, "t.npz"), NAMES)
        assert probabilities(found) == pytest.approx(P, abs=1e-6)
    assert any("taken for logits" in note for note in found.notes)
    found = read_foreign_predictions(write({"label_ids": np.array([0, 1, 1]), "logits": P}, "t.npz"), NAMES)
    assert found.logits == pytest.approx(P)  # small logits stay what they are called


def test_names_in_an_npz_file_are_those_of_the_classes(write):
    arrays = {"classes": np.array(["dog", "cat", "owl"]), "probs": P, "labels": np.array(["cat", "dog", "dog"])}
    found = read_foreign_predictions(write(arrays, "t.npz"), None)
    assert found.class_names == ("dog", "cat", "owl") and found.labels.tolist() == [1, 0, 0]


def test_predicted_classes_alone_are_enough_and_nothing_is_made_up(write):
    found = read_foreign_predictions(write({"target": ["cat", "dog"], "y_pred": ["owl", "dog"]}), None)
    assert found.class_names == NAMES and found.predicted.tolist() == [2, 1]
    assert found.logits is None and found.confidence is None
    found = read_foreign_predictions(write(np.array([2, 0, 1]), "t.npy"), NAMES)
    assert found.predicted.tolist() == [2, 0, 1] and found.labels is None and found.paths is None
    found = read_foreign_predictions(write({"pred": [1, 0], "label": [1, 1], "confidence": [0.9, 0.6]}), NAMES)
    assert found.confidence.tolist() == pytest.approx([0.9, 0.6]) and found.logits is None


@pytest.mark.parametrize(("score", "second"), [([0.9, 0.2], [0.9, 0.2]), ([2.0, -1.0], [0.8808, 0.2689])])
def test_a_single_score_is_that_of_the_second_of_two_classes(write, score, second):
    found = read_foreign_predictions(write({"label": ["no", "yes"], "score": score}), None)
    assert probabilities(found)[:, 1] == pytest.approx(second, abs=1e-4)
    found = read_foreign_predictions(write(np.array(score)[:, None], "t.npy"), ("no", "yes"))
    assert probabilities(found)[:, 1] == pytest.approx(second, abs=1e-4)


def test_what_timm_writes_is_its_answer_and_not_the_truth(write):
    found = read_foreign_predictions(
        write({"filename": ["a", "b"], "label": ["owl", "cat"], "prob": [0.9, 0.5]}), NAMES
    )
    assert found.labels is None and found.predicted.tolist() == [2, 0]
    assert found.confidence.tolist() == pytest.approx([0.9, 0.5])
    numbered = {"filename": ["a", "b"], "index": [0, 1], "label": ["owl", "cat"], "prob": [0.9, 0.5]}
    assert read_foreign_predictions(write(numbered), NAMES).predicted.tolist() == [2, 0]  # the rows may be numbered
    best = {"filename": ["a"], "index_0": [2], "index_1": [0], "prob_0": [0.6], "prob_1": [0.3]}
    found = read_foreign_predictions(write(best), NAMES)
    assert (
        found.predicted.tolist() == [2] and found.logits is None and found.confidence.tolist() == pytest.approx([0.6])
    )


def test_other_columns_are_kept_but_for_those_that_a_run_has_itself(write):
    columns = {"label": [0, 1], "pred": [1, 1], "camera": ["a", "b"], "age": [3.5, 4.0], "night": [True, False]}
    found = read_foreign_predictions(write(columns | {"loss": [0.1, 0.2], "index": [7, 8]}), ("x", "y"))
    assert found.extra.column_names == ["camera", "age", "night"]  # nor pandas' own number of the row


def test_text_is_text_however_pandas_keeps_it(tmp_path):
    frame = pd.DataFrame({"path": ["a", "b"], "label": ["cat", "dog"], "camera": ["x", "y"], "lens": ["u", "v"]})
    frame["label"], frame["lens"] = frame["label"].astype("category"), frame["lens"].astype("category")
    frame.assign(pred=["dog", "dog"], shown=pd.to_datetime(["2020", "2021"])).set_index("path").to_parquet(
        tmp_path / "t.parquet"
    )
    found = read_foreign_predictions(tmp_path / "t.parquet", None)
    assert (found.labels.tolist(), found.predicted.tolist(), found.paths) == ([0, 1], [1, 1], ("a", "b"))
    assert {field.name: str(field.type) for field in found.extra.schema} == {"camera": "string", "lens": "string"}


def test_words_and_separators_of_other_programs_are_understood(write):
    for text in ("\ufeffLabel;Predicted Class\ncat;owl\n", 'label\tpred\n"cat"\towl\n', "\nlabel,pred\r\ncat,owl\r\n"):
        found = read_foreign_predictions(write(text), NAMES)
        assert (found.labels.tolist(), found.predicted.tolist()) == ([0], [2])


def test_codes_written_with_a_point_or_zeros_are_codes_and_names_of_digits_are_names(write):
    found = read_foreign_predictions(write("label,pred\n1.0,2\n0.0,1\n"), NAMES)
    assert found.labels.tolist() == [1, 0]
    found = read_foreign_predictions(write("label,pred\n10,2\n2,10\n"), ("1", "10", "2"))
    assert found.labels.tolist() == [1, 2]


def test_classes_that_no_label_names_come_from_the_data_set(write):
    file = write({"label": ["cat", "owl"], "prob_0": [0.9, 0.1], "prob_1": [0.05, 0.1], "prob_2": [0.05, 0.8]})
    assert read_foreign_predictions(file, None, NAMES).labels.tolist() == [0, 2]


def test_a_probability_that_was_rounded_to_zero_has_a_finite_logarithm(write):
    found = read_foreign_predictions(write(np.array([[1.0, 0.0, 0.0]]), "t.npy"), NAMES)
    assert found.logits.tolist() == [pytest.approx([0, -15.94, -15.94], abs=0.01)]


ROW = "label,prob_0,prob_1\n0,0.5,0.5\n"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (ROW + "1,0.2,0.9\n1,0.9,0.9\n", "rows 2, 3 of 3, probabilities that do not sum to 1 (1.1 in the first"),
        (ROW + "1,nan,0.5\n", "row 2 of 2, probabilities that are NaN, infinite or missing"),
        (ROW + "1,,0.5\n", "row 2 of 2, probabilities that are NaN, infinite or missing"),
        (ROW + "1,1.5,-0.5\n", "row 2 of 2, probabilities outside 0–1"),
        (ROW + "2,0.5,0.5\n", "row 2 of 2, a label outside 0–1"),
        (ROW + "-1,0.5,0.5\n", "row 2 of 2, a label outside 0–1"),
        (ROW + "fox,0.5,0.5\n", "row 2 of 2, a label that is no class (fox); the classes are cat, dog"),
        (ROW + ",0.5,0.5\n", "row 2 of 2, no label"),
        ("label,prob_0,prob_1,prob_2\n0,0.2,0.3,0.5\n", "3 scores an image, and the classes are 2: cat, dog"),
        ("label,prob_0,prob_2\n0,0.5,0.5\n", "number them from 0, without gaps"),
        ("label,prob_cat,prob_fox\n0,0.5,0.5\n", "scores for cat, fox, and the classes are cat, dog"),
        ("label,pred,prob_0,prob_1\n0,1,0.9,0.1\n", "row 1 of 1, a predicted class without the largest score"),
        ("label,weather\n0,rain\n", "says of no image what was predicted: it has label, weather"),
        ("label,pred\n", "has no rows"),
        ("", "could not be read as a table"),
        ("label,pred\n0,1,2\n", "could not be read as a table"),
        ("label,label,pred\n0,1,1\n", "two columns that are called label"),
        ("path,pred\na,1\nb,0\na,1\n", "row 3 of 3, a path that is there before"),
        ("path,pred\n,1\n", "row 1 of 1, no path"),
        ("label,pred,confidence\n0,1,1.5\n", "row 1 of 1, a confidence that is missing or outside 0–1"),
    ],
)
def test_what_cannot_be_is_refused_in_one_sentence_that_names_rows(write, text, said):
    with pytest.raises(DataError) as caught:
        read_foreign_predictions(write(text), ("cat", "dog"))
    assert said in str(caught.value) and "\n" not in str(caught.value)


def test_files_of_other_kinds_are_refused_in_one_sentence(write, tmp_path):
    (tmp_path / "bad.parquet").write_bytes(b"PAR1 nothing")
    (tmp_path / "bad.npy").write_bytes(b"\x93NUMPY")
    np.save(tmp_path / "pickle.npy", np.array([{}, 1], object), allow_pickle=True)
    (tmp_path / "utf16.csv").write_bytes("label,pred\n0,1\n".encode("utf-16"))
    (tmp_path / "model.onnx").write_bytes(b"")
    (tmp_path / "folder.csv").mkdir()
    arrays = {"a.npz": {"probs": P, "labels": np.zeros(2, int)}, "b.npz": {"probs": P[None]}}
    files = [write(content, name) for name, content in arrays.items()] + [
        write(np.array(3), "c.npy"),
        tmp_path / "no.csv",
    ]
    for file in [*sorted(tmp_path.glob("*")), *files]:
        with pytest.raises(DataError, match=r"^\S+ .*\.$"):
            read_foreign_predictions(file, NAMES)


_cells = st.one_of(
    st.sampled_from(
        ["", "0", "1", "2", "0.5", "1e400", "nan", "-1", "cat", "dog", "true", '"', "a,b", "1.0", "007", "∞"]
    ),
    st.text(max_size=5),
)
_headers = st.one_of(
    st.sampled_from(
        ["label", "pred", "path", "prob_0", "prob_1", "logit_a", "cat", "dog", "score", "index_0", "prob", ""]
    ),
    st.text(max_size=5),
)


@given(st.lists(_headers, min_size=1, max_size=5), st.lists(st.lists(_cells, min_size=1, max_size=5), max_size=4))
@settings(max_examples=200, deadline=None)
def test_any_text_ends_in_data_or_in_a_sentence(tmp_path_factory, headers, rows):
    file = tmp_path_factory.getbasetemp() / "fuzz.csv"
    file.write_text("\n".join(",".join(cells) for cells in [headers, *rows]) + "\n")
    _read_or_refuse(file)


@given(st.binary(min_size=0, max_size=60), st.integers(0, 10**9), st.sampled_from(["t.parquet", "t.npy", "t.npz"]))
@settings(max_examples=200, deadline=None)
def test_any_bytes_in_a_table_end_in_data_or_in_a_sentence(tmp_path_factory, noise, place, name):
    buffer = io.BytesIO()
    if name == "t.parquet":
        pq.write_table(pa.table({"label": [0, 1, 1], "probs": pa.array(P.tolist())}), buffer)
    elif name == "t.npy":
        np.save(buffer, P)
    else:
        np.savez(buffer, label=np.array([0, 1, 1]), probs=P)
    content = bytearray(buffer.getvalue())
    start = place % len(content)
    content[start : start + len(noise)] = noise
    file = Path(tmp_path_factory.getbasetemp() / name)
    file.write_bytes(content)
    _read_or_refuse(file)


def _read_or_refuse(file):
    for class_names in (None, ("cat", "dog")):
        try:
            found = read_foreign_predictions(file, class_names)
        except DataError as error:
            assert str(error).startswith(str(file)) and len(str(error)) < 2000
        else:
            assert len(found) == len(found.extra) or not found.extra.num_columns
            assert found.predicted.min() >= 0 and found.predicted.max() < found.classes
            assert found.labels is None or 0 <= found.labels.min() <= found.labels.max() < found.classes
            assert found.logits is None or np.isfinite(found.logits).all()
