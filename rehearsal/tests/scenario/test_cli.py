"""The command line: what is wrong is said in words, with exit code 2."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from rehearsal.scenario import cli, rehearse
from rehearsal.tests.scenario.test_load import FILES_ONLY


def test_help(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        cli.main(["--help"])
    assert ended.value.code == 0
    shown = capsys.readouterr().out
    for word in ("--app", "--scenario", "--out", "--keep", "--jobs", "--verbose", "Exit codes"):
        assert word in shown


@pytest.mark.parametrize(
    ("app", "scenario", "said"),
    [
        ("nowhere", "missing.json", "missing.json: 1 problem\n  cannot be read"),
        ("nowhere", str(FILES_ONLY), "nowhere: no such folder"),
    ],
)
def test_what_is_missing_is_said(
    app: str, scenario: str, said: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["--app", str(tmp_path / app), "--scenario", scenario, "--out", str(tmp_path / "out")]) == 2
    assert said in capsys.readouterr().err


def test_a_python_without_the_packages_is_told_so(tmp_path: Path) -> None:
    root = Path(__file__).parents[3]
    done = subprocess.run(
        [sys.executable, "-S", "-m", "rehearsal", "--help"],
        cwd=tmp_path,
        env={"PYTHONPATH": str(root), "PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert "is missing: run `make setup` first" in done.stderr
    assert "Traceback" not in done.stderr


def test_ctrl_c_ends_with_a_word(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def interrupted(*_: object) -> None:
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(5)

    before = signal.getsignal(signal.SIGTERM)
    monkeypatch.setattr(cli, "rehearse", interrupted)
    try:
        assert cli.main(["--app", "x", "--scenario", "y"]) == 130
    finally:
        signal.signal(signal.SIGTERM, before)
    assert "interrupted" in capsys.readouterr().err


def test_the_window_lasts_whole_seconds() -> None:
    """The functions' window is rounded up when it is scaled: a fraction would make it longer than the queue's delay."""
    stack = type("Stack", (), {"template": {"Resources": {"F": {"Type": "AWS::Lambda::Function", "Properties": {}}}}})
    environment = {"Variables": {rehearse.WINDOW: "225"}}
    assembly = type("Assembly", (), {"stacks": [stack]})
    assert rehearse.speed(assembly) == 1
    stack.template["Resources"]["F"]["Properties"]["Environment"] = environment
    assert 225 / rehearse.speed(assembly) == rehearse.WINDOW_HERE == int(rehearse.WINDOW_HERE)
