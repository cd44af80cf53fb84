"""Imports run one way and in no circle, torch is loaded late, and importing a module does nothing."""

import ast
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from sightline.run_store.files import NOTE, TAGS, WRITTEN
from tests.fabricated import ROOT

MAY_IMPORT = {
    "image_data": {"image_data"},
    "model_zoo": {"model_zoo"},
    "run_store": {"run_store", "image_data", "model_zoo"},
    "explain": {"explain", "run_store", "image_data", "model_zoo"},
    "training": {"training", "explain", "run_store", "image_data", "model_zoo"},
    "report": {"report", "explain", "run_store", "image_data", "model_zoo"},
    "app": {"app", "report", "explain", "run_store", "image_data", "model_zoo"},
}
LATE = {"torch", "torchvision", "captum", "timm"}
TORCH_FREE = (
    "sightline.explain.command_line",
    "sightline.explain.judging.intervals",
    "sightline.explain.judging.measures",
    "sightline.explain.attribution.methods",
    "sightline.explain.judging.findings",
    "sightline.explain.judging.verdicts",
    "sightline.explain.output",
    "sightline.explain.progress",
    "sightline.explain.why.differing",
    "sightline.explain.why.shared",
)  # what commands and the app need before torch is loaded
FILES = [file.relative_to(ROOT) for package in MAY_IMPORT for file in sorted((ROOT / package).rglob("*.py"))]
LIGHT_FILES = [file for file in FILES if file.parts[0] in ("image_data", "run_store", "report", "app")]
SCRIPTS = {Path("app/main.py"), Path("app/dashboard.py")}  # Streamlit runs these, and the views
NAMES = {file: ".".join(("sightline", *file.with_suffix("").parts)).removesuffix(".__init__") for file in FILES}
MODULES = [name for file, name in NAMES.items() if file not in SCRIPTS and "views" not in file.parts]
# These import libraries that may say and start what they like.
CALLBACKS = {name for name in MODULES if name.startswith("sightline.training.callbacks.")}
QUIET = [name for name in MODULES if name.split(".")[1] != "app" and name not in CALLBACKS]


def imported(nodes):
    """Every imported module by its full name; a relative import begins with a dot."""
    for node in nodes:
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield "." * node.level + (node.module or "")


def ours(file):
    """Every module of ours that the file imports, anywhere: also in a function and under TYPE_CHECKING."""
    known = set(NAMES.values())
    for node in ast.walk(parsed(file)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in known)
        elif isinstance(node, ast.ImportFrom) and node.module in known | {"sightline"}:
            names = {f"{node.module}.{alias.name}" for alias in node.names}
            yield from names & known or {node.module} & known


def package(module):
    """Of ours the package inside sightline, of others the top level."""
    first, *rest = module.split(".")
    return rest[0] if first == "sightline" and rest else first


def at_import(tree):
    """The nodes that run when the module is imported: all outside functions and `if TYPE_CHECKING`."""
    waiting = [tree]
    while waiting:
        node = waiting.pop()
        yield node
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            waiting.extend(node.orelse)
        elif not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)):
            waiting.extend(ast.iter_child_nodes(node))


def parsed(file):
    return ast.parse((ROOT / file).read_text(encoding="utf-8"))


def run(program, folder=ROOT):
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", program]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=True)


def test_the_packages_are_where_this_test_looks():
    assert {file.parts[0] for file in FILES} == MAY_IMPORT.keys()
    links = {link.name: link for link in (ROOT / "sightline").iterdir() if link.is_symlink()}
    assert links.keys() == MAY_IMPORT.keys()
    assert all(os.readlink(link) == f"../{name}" for name, link in links.items())


@pytest.mark.parametrize("file", FILES, ids=str)
def test_imports_run_one_way(file):
    modules = {module for module in imported(ast.walk(parsed(file))) if package(module) in MAY_IMPORT}
    assert {package(module) for module in modules} <= MAY_IMPORT[file.parts[0]]
    assert not {"tests", "benchmarks"} & {package(module) for module in imported(ast.walk(parsed(file)))}


@pytest.mark.parametrize("file", FILES, ids=str)
def test_our_modules_are_imported_by_their_full_names(file):
    # A module that is imported by two names would be two modules.
    siblings = {path.stem for path in (ROOT / file).parent.glob("*.py")} | {path.stem for path in ROOT.glob("app/*.py")}
    bare = siblings | MAY_IMPORT.keys()
    assert [
        module for module in imported(ast.walk(parsed(file))) if module.split(".")[0] in bare or module[0] == "."
    ] == []


@pytest.mark.parametrize("file", LIGHT_FILES, ids=str)
def test_torch_and_captum_are_imported_inside_functions_only(file):
    late = LATE | {"model_zoo", "explain"}  # which import them, but for what the app needs to name methods
    early = [module for module in imported(at_import(parsed(file))) if module not in TORCH_FREE]
    assert {package(module) for module in early} & late == set()


def test_reading_runs_and_images_does_not_load_torch():
    program = (
        "import sys, sightline, sightline.command\n"
        "from sightline import image_data\n"
        "from sightline.run_store import run, predictions, writer\n"
        f"import {', '.join(TORCH_FREE)}\n"
        f"print(sorted({LATE} & sys.modules.keys()))"
    )
    assert run(program).stdout == "[]\n"


def test_scikit_learn_is_loaded_where_it_is_used():  # beside it, a command that ends at once may crash in its end
    program = (
        "import sys\n"
        "from sightline.explain import patterns\n"
        "from sightline.training import prove\n"
        "print('sklearn' in sys.modules)"
    )
    assert run(program).stdout == "False\n"


def test_the_public_names_are_imported_when_they_are_used():
    program = (
        "import sys, sightline\n"
        "loaded = lambda: sorted({'torch', 'streamlit', 'numpy', 'tyro'} & sys.modules.keys())\n"
        "assert loaded() == [] and {*sightline.__all__} < {*dir(sightline)}\n"
        "sightline.Run, sightline.load_image_data\n"
        "assert loaded() == ['numpy'], loaded()\n"
        "sightline.show\n"
        "assert 'streamlit' not in loaded()\n"  # it would take the figures of a notebook away: it sets MPLBACKEND
        "from sightline import *\n"
        "assert suggest_layers.__module__ == 'sightline.explain.attribution.grids'\n"
        "assert all(getattr(sightline, name) is globals()[name] for name in sightline.__all__)\n"
        "assert not hasattr(sightline, 'guess')"
    )
    run(program)


def test_a_callback_without_its_library_says_what_to_install():
    program = (
        "import sys\n"
        "sys.modules['lightning'] = None\n"
        "import sightline\n"
        "try:\n    sightline.LightningCallback\n"
        "except ImportError as error:\n    print(error)"
    )
    said = run(program).stdout
    assert said.startswith("LightningCallback needs a library that cannot be imported (")
    assert said.endswith("): pip install 'sightline-vision[lightning]'.\n")


def test_importing_a_module_prints_nothing_and_starts_nothing(tmp_path):
    program = (
        "import importlib, multiprocessing, threading\n"
        f"for name in {QUIET}: importlib.import_module(name)\n"
        "assert threading.active_count() == 1, threading.enumerate()\n"
        "assert not multiprocessing.active_children()\n"
    )
    done = run(program, tmp_path)
    assert (done.stdout, done.stderr, list(tmp_path.iterdir())) == ("", "", [])


@pytest.mark.parametrize("file", [file for file in FILES if file.parts[0] != "app"], ids=str)
def test_modules_hold_only_definitions(file):
    """Calls at module level would be work done at import; a constant may be computed."""
    allowed = (ast.Import, ast.ImportFrom, ast.FunctionDef, ast.ClassDef, ast.Assign, ast.AnnAssign, ast.If)
    others = [node for node in parsed(file).body if not isinstance(node, allowed) and not is_docstring(node)]
    assert [ast.unparse(node) for node in others] == []


def is_docstring(node):
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def circles(edges):
    """Every set of modules that reach each other."""
    reached = {name: reachable(name, edges) for name in edges}
    sets = (frozenset(other for other in edges if name in reached[other] and other in reached[name]) for name in edges)
    return {circle for circle in sets if circle}


def reachable(start, edges):
    found, waiting = set(), [start]
    while waiting:
        new = edges[waiting.pop()] - found
        found |= new
        waiting.extend(new)
    return found


def test_a_circle_is_found():
    edges = {"a": {"b"}, "b": {"c"}, "c": {"b", "d"}, "d": set(), "e": {"e"}}
    assert circles(edges) == {frozenset("bc"), frozenset("e")}


def test_no_imports_go_in_a_circle_also_not_inside_functions():
    assert circles({name: set(ours(file)) for file, name in NAMES.items()}) == set()


def strings(tree):
    """Every string of the program, but for docstrings."""
    kinds = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    bodies = [node.body for node in ast.walk(tree) if isinstance(node, kinds)]
    documented = {id(one.value) for body in bodies for one in body if is_docstring(one)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in documented:
            yield node.value


@pytest.mark.parametrize("file", [file for file in FILES if file != Path("run_store/files.py")], ids=str)
def test_the_files_of_a_run_are_named_in_one_place(file):
    named = re.compile("|".join(rf"(?<!\w){re.escape(name)}" for name in (*WRITTEN, NOTE, TAGS)))
    said = [text for text in strings(parsed(file)) if named.search(text)]
    assert said == []
