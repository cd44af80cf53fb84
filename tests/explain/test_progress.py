"""What the commands of training/ have in common."""

from sightline.explain.progress import progress_bar, warn


def test_a_bar_that_never_moves_is_never_seen(capsys):
    with progress_bar("decoding"):
        pass
    assert capsys.readouterr() == ("", "")


def test_warnings_do_not_mix_with_what_a_command_prints(capsys):
    warn(["One image is broken.", "A folder was passed over."])
    assert capsys.readouterr() == ("", "Warning: One image is broken.\nWarning: A folder was passed over.\n")
