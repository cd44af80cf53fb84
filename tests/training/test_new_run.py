"""What a new run says of itself."""

import subprocess

import pytest
import torch

import sightline
from sightline.training.new_run import describe

SETTINGS = {"model": "resnet18", "dataset": "cifar10"}


@pytest.fixture
def repository(tmp_path, monkeypatch):
    """A repository with one commit; git knows no other settings than its own."""
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(tmp_path / "none"))
    for name in ("AUTHOR", "COMMITTER"):
        monkeypatch.setenv(f"GIT_{name}_NAME", "somebody")
        monkeypatch.setenv(f"GIT_{name}_EMAIL", "somebody@example.org")
    root = tmp_path / "project"
    (root / "sightline").mkdir(parents=True)
    (root / "sightline" / "__init__.py").write_text("")
    git(root, "init")
    git(root, "add", ".")
    git(root, "commit", "-m", "Begin")
    return root


def git(root, *arguments):
    return subprocess.run(["git", "-C", root, *arguments], capture_output=True, text=True, check=True).stdout.strip()


@pytest.fixture
def commit_of(monkeypatch, tiny_data):
    """The commit that a run names where the package lies in this folder."""

    def commit_of(folder):
        monkeypatch.setattr(sightline, "__file__", str(folder / "sightline" / "__init__.py"))
        return describe(SETTINGS, {"test": tiny_data.test}, torch.nn.Linear(1, 1), torch.device("cpu"))["git_commit"]

    return commit_of


def test_a_run_names_the_commit_of_the_clone_and_whether_files_differ(repository, commit_of):
    commit = git(repository, "rev-parse", "HEAD")
    assert commit_of(repository) == commit
    (repository / "sightline" / "__init__.py").write_text("changed = True")
    assert commit_of(repository) == f"{commit}-dirty"


def test_a_package_installed_below_a_repository_does_not_name_its_commit(repository, commit_of):
    installed = repository / ".venv" / "lib" / "site-packages"
    (installed / "sightline").mkdir(parents=True)
    assert commit_of(installed) == ""
