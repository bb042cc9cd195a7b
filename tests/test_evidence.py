"""The tables of the evidence are those of its raw lines."""

import re

import pytest
from scripts import ROOT
from scripts import run

GUIDE = ROOT / "docs" / "when.md"
LINES = ROOT / "benchmarks" / "results" / "evidence.jsonl"


def test_the_guide_has_the_tables_of_the_lines(tmp_path):
    again = tmp_path / "when.md"
    again.write_text(re.sub(r"(?m)^\| .*\n", "", GUIDE.read_text()))
    original = GUIDE.read_text()
    blocks = re.findall(r"(?s)<!-- table .*?<!-- end -->", original)
    assert len(blocks) >= 5 and all(b.count("\n| ") > 2 for b in blocks)
    run("benchmarks/evidence_tables.py", "--into", str(again))
    found = re.findall(r"(?s)<!-- table .*?<!-- end -->", again.read_text())
    assert found == blocks


def test_the_picture_is_drawn_from_the_lines(tmp_path):
    run(
        "benchmarks/evidence_picture.py",
        "--picture",
        str(tmp_path / "picture.png"),
    )
    assert (tmp_path / "picture.png").read_bytes().startswith(b"\x89PNG")
    assert LINES.stat().st_size < 5e6


@pytest.mark.parametrize(
    "study", ["noise", pytest.param("teachers", marks=pytest.mark.slow)]
)
def test_a_study_by_name(study):
    assert "letter, mlp" in run("benchmarks/evidence_tables.py", study)
