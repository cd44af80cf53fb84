import pytest

from sightline.report.address.parameters import RunFacts
from sightline.report.address.selection import Selection
from sightline.run_store.predictions import Filter, Range

CATS = RunFacts(class_names=("cat", "dog", "a,b&c=d"), images=100, epochs=lambda: [2, 5])
FACTS = {"new": CATS, "old run": CATS, "torn": None}


def read(query, default_run="new"):
    return Selection.from_query(query, FACTS.keys(), FACTS.get, lambda: default_run)


def as_query(selection):
    return {key: [value] if isinstance(value, str) else value for key, value in selection.to_query().items()}


def test_an_empty_address_is_the_default_selection_of_the_default_run():
    assert read({}) == (Selection(run="new"), [])


def test_values_that_equal_the_default_stay_out_of_the_address():
    assert Selection().to_query() == {}
    assert Selection(run="new", outcome="wrong").to_query() == {"run": "new"}


def test_classes_and_runs_stand_in_the_address_by_name():
    selection = Selection(run="old run", label="cat", predicted="dog")
    assert selection.to_query() == {"run": "old run", "true": "cat", "predicted": "dog"}


def test_what_is_asked_of_columns_stands_in_the_address():
    columns = (("a:b%", Range(-2, 1e6)), ("loss", Range(high=0.5)), ("camera", "left: 50%"))
    query = Selection(columns=columns).to_query()
    assert query == {"range": ["a%3Ab%25:-2..1000000", "loss:..0.5"], "value": ["camera:left: 50%"]}
    assert read(query, None) == (Selection(columns=columns), [])


def test_a_column_is_asked_one_thing():
    selection = Selection(columns=(("loss", Range(1)), ("camera", "left")))
    assert selection.ask("camera", "right") == (("loss", Range(1)), ("camera", "right"))
    assert selection.ask("angle", Range(5)) == (("angle", Range(5)), ("loss", Range(1)), ("camera", "left"))
    assert selection.ask("loss", None) == (("camera", "left"),)


@pytest.mark.parametrize(
    "selection",
    [
        Selection(run="old run", shown=("new", "old run")),
        Selection(run="new", quantities=("learning rate", "gap"), smoothing=60, logarithmic=True),
        Selection(run="new", label="a,b&c=d", predicted="dog", outcome="all", order="highest loss first"),
        Selection(run="new", outcome="right", columns=(("confidence", Range(0.25, 0.75)),), image=0),
        Selection(run="new", beside="old run", compared="both wrong", with_map=True),
        Selection(run="new", layers=("layer1", "layer4"), targets=("predicted", "class:a,b&c=d"), image=99),
        Selection(run="new", method="gradcam++", targets=("runner-up", "difference"), scale="row", opacity=0),
        Selection(run="new", layers=("layer1.0.conv2",), hide="layer1.0.conv2", all_classes=True),
        Selection(run="new", epoch=5, image=3),
        Selection(run="torn", label="anything", image=12345, epoch=7),
    ],
)
def test_a_selection_survives_the_address(selection):
    assert read(as_query(selection)) == (selection, [])


@pytest.mark.parametrize(
    "query, named",
    [
        ({"run": ["gone"]}, "run “gone”"),
        ({"runs": ["gone", "new"]}, "runs “gone”"),
        ({"chart": ["speed"]}, "chart “speed”"),
        ({"smoothing": ["100"]}, "smoothing “100”"),
        ({"axis": ["sqrt"]}, "axis “sqrt”"),
        ({"true": ["unicorn"]}, "true “unicorn”"),
        ({"predicted": ["0"]}, "predicted “0”"),
        ({"show": ["nothing"]}, "show “nothing”"),
        ({"order": ["random"]}, "order “random”"),
        ({"image": ["abc"]}, "image “abc”"),
        ({"image": ["-1"]}, "image “-1”"),
        ({"image": ["٣"]}, "image “٣”"),
        ({"image": ["99999999"]}, "image “99999999”"),
        ({"image": ["1e3"]}, "image “1e3”"),
        ({"image": ["9" * 5000]}, "image “999"),
        ({"epoch": ["3"]}, "epoch “3” (not found)"),
        ({"epoch": ["last"]}, "epoch “last” (not found)"),
        ({"range": ["loss:nan..1"]}, "range “loss:nan..1”"),
        ({"range": ["loss:2..1"]}, "range “loss:2..1”"),
        ({"range": ["loss:1"]}, "range “loss:1”"),
        ({"range": [""]}, "range “”"),
        ({"value": ["camera"]}, "value “camera”"),
        ({"map": ["yes"]}, "map “yes”"),
        ({"method": ["guesscam"]}, "method “guesscam”"),
        ({"scale": ["mine"]}, "scale “mine”"),
        ({"classes": ["some"]}, "classes “some”"),
        ({"target": ["class:unicorn"]}, "target “class:unicorn”"),
    ],
)
def test_a_value_that_does_not_exist_falls_back_and_is_named(query, named):
    selection, ignored = read(query)
    assert len(ignored) == 1 and ignored[0].startswith(named) and len(ignored[0]) < 100
    assert selection == Selection(run="new", shown=("new",) if "runs" in query else ())


def test_names_of_layers_are_left_for_the_network_to_judge():
    assert read({"layer": ["layer9"], "hide": ["x"]}) == (Selection(run="new", layers=("layer9",), hide="x"), [])


def test_foreign_parameters_are_left_alone():
    assert read({"embed": ["true"], "layers_opacity": ["0.4"]}) == (Selection(run="new"), [])


def test_the_index_after_the_last_image_does_not_exist():
    assert read({"image": ["99"]})[0].image == 99
    assert read({"image": ["100"]})[0].image is None


def test_a_history_is_read_only_where_an_epoch_is_asked_for():
    asked = []
    facts = RunFacts(CATS.class_names, CATS.images, lambda: asked.append("read") or [2, 5])
    for query, times in (({"image": ["3"]}, 0), ({"epoch": ["2"]}, 1)):
        Selection.from_query(query, FACTS.keys(), lambda _: facts, lambda: "new")
        assert len(asked) == times


def test_another_run_is_seen_as_it_ended_and_another_epoch_keeps_the_image():
    selection = Selection(run="new", epoch=2, image=80)
    assert selection.change(run="old run") == Selection(run="old run")
    assert selection.change(run="old run", epoch=2) == Selection(run="old run", epoch=2)
    assert selection.change(epoch=5) == Selection(run="new", epoch=5, image=80)
    assert selection.change(label="cat") == Selection(run="new", epoch=2, label="cat")


def test_another_filter_starts_at_its_first_image():
    selection = Selection(run="new", image=80, layers=("layer1",))
    assert selection.change(label="cat") == Selection(run="new", label="cat", layers=("layer1",))
    assert selection.change(layers=()) == Selection(run="new", image=80)
    assert selection.change(run="old run", image=80) == Selection(run="old run", image=80, layers=("layer1",))


def test_the_filter_names_classes_by_their_code():
    wanted = Selection(label="dog", predicted="cat", outcome="all", columns=(("loss", Range(1)),)).filter(
        CATS.class_names
    )
    assert wanted == Filter("all", label=1, predicted=0, columns=(("loss", Range(1)),))
