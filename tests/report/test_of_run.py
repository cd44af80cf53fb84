"""The report of a run for programs and notebooks: what is shown and kept, and the command that makes it again."""

import shutil
from html.parser import HTMLParser

import pytest

import sightline
from sightline.report import of_run
from sightline.report.address.typed import AskedError
from sightline.report.page import Report
from sightline.run_store.record import RunError
from sightline.run_store.run import Run
from tests.histories import keep_history


class Parsed(HTMLParser):
    """What stands in HTML: its elements with their attributes, and its texts."""

    def __init__(self, html):
        super().__init__()
        self.elements, self.texts = [], []
        self.feed(html)

    def handle_starttag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))

    def handle_data(self, data):
        self.texts.append(data)


def test_a_notebook_shows_the_whole_report_in_a_frame_that_may_only_run_its_script(fabricated):
    report = Run(fabricated).report()
    ((tag, attributes),) = Parsed(report._repr_html_()).elements
    assert tag == "iframe" and attributes["sandbox"] == "allow-scripts" and attributes["height"] == "720"
    assert attributes["srcdoc"] == report.html and attributes["title"] == "Report of run"
    assert len(report._repr_html_()) < 1.2 * len(report.html)  # which notebooks keep


def test_where_frames_are_not_allowed_figures_and_a_way_to_the_rest_are_left(fabricated):
    (text,) = Parsed(Run(fabricated).report()._repr_html_()).texts
    assert text.startswith("run, complete: accuracy 75.0 % of 12 test images (95 % interval 46.8–91.1 %); mistakes 3;")
    assert "Trust Notebook" in text


def test_no_name_leaves_its_attribute_or_its_text(fabricated, tmp_path):
    hostile = "a' onload='alert(1)\"></iframe><script>alert(2)<&script>"
    shutil.copytree(fabricated, tmp_path / hostile.replace("/", "⁄"))
    report = Report(hostile, f"<p>{hostile}", summary=hostile)
    ((_, attributes),) = Parsed(report._repr_html_()).elements
    assert attributes.keys() == {"sandbox", "srcdoc", "title", "width", "height", "style"}
    assert attributes["srcdoc"] == f"<p>{hostile}" and attributes["title"] == f"Report of {hostile}"
    of_run = Run(tmp_path / hostile.replace("/", "⁄")).report()
    assert "<script>alert" not in of_run.html
    assert len(Parsed(of_run._repr_html_()).elements) == 1


def test_the_command_that_makes_it_again_names_what_was_asked_for(fabricated, tmp_path, monkeypatch):
    commands = []
    monkeypatch.setattr(of_run, "make_report", lambda asked: commands.append(asked.command) or Report("", ""))
    beside = shutil.copytree(fabricated, tmp_path / "second run")
    sightline.report_of(fabricated, beside, set="true=cat&predicted=dog", images=3)
    sightline.report_of(str(fabricated))
    with_history = shutil.copytree(fabricated, tmp_path / "with history")
    keep_history(with_history)
    sightline.report_of(Run(with_history, epoch=2))
    assert commands == [
        f"sightline report --run {fabricated} --beside '{beside}' --set 'true=cat&predicted=dog' --images 3 "
        "--output report.html",
        f"sightline report --run {fabricated} --output report.html",
        "",  # the command opens runs as they ended
    ]


def test_a_report_is_written_whole_or_not_at_all(fabricated, tmp_path):
    report = Run(fabricated).report()
    assert report.save(tmp_path / "report.html").read_text(encoding="utf-8") == report.html
    with pytest.raises(OSError):
        report.save(tmp_path / "none" / "report.html")
    with pytest.raises(OSError):
        report.save(tmp_path)
    assert [file.name for file in tmp_path.iterdir()] == ["report.html"]


def test_a_run_whose_name_is_no_text_has_a_report(fabricated, tmp_path):
    named = shutil.copytree(fabricated, tmp_path / "b\udcffd")
    report = Run(named).report()
    assert report.save(tmp_path / "report.html").stat().st_size
    report._repr_html_().encode()


def test_what_cannot_be_reported_is_said_in_a_sentence(fabricated, sixty, tmp_path):
    with pytest.raises(AskedError, match="from 0 to 500 images, not 501"):
        Run(fabricated).report(images=501)
    with pytest.raises(AskedError, match="from 0 to 500 images, not '12'"):
        Run(str(fabricated)).report(images="12")
    with pytest.raises(AskedError, match="A set is a text such as"):
        Run(fabricated).report(set=None)
    with pytest.raises(RunError, match="cannot be looked at after epoch 99; its epochs: it has no history"):
        Run(fabricated, epoch=99).report()
    with pytest.raises(AskedError, match="set of images cannot be found"):
        Run(fabricated).report(set="true=horse")
    other = shutil.copytree(sixty / "run", tmp_path / "other")
    (other / "run.json").write_text((other / "run.json").read_text().replace('"test": "none"', '"test": "others"'))
    with pytest.raises(RunError, match="tested on other images"):
        Run(fabricated).report(beside=other)
    with pytest.raises(RunError, match="none is no run"):
        sightline.report_of(tmp_path / "none")
