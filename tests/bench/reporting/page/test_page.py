"""report.html as a file: what is in it, and what is not."""

import html
import re

import pandas as pd
import pytest

from bench.commands.report import make_report
from bench.errors import BenchError
from bench.reporting.page import _breakable, libraries, page, write_page
from bench.reporting.page.libraries import embeddable, tables_script
from bench.reporting.rows import read_runs
from tests.bench.reporting.page.conftest import ATTACK, MODALITIES, with_pictures
from tests.bench.rundirs import ENERGY, write_gaps, write_published, write_run

WITHOUT = re.compile(r"<script.*?</script>", re.DOTALL)  # the page without its scripts


@pytest.fixture(scope="module")
def text(out):
    return (out / "report.html").read_text()


def test_it_answers_in_the_order_of_the_questions(text):
    titles = re.findall(r"<h2[^>]*><span>\d</span> ([^<]*)", text)
    assert titles == [
        "Who wins, and by how much?",
        "What does it look like?",
        "Is it the prior's fault?",
        "Can I trust it?",
        "What does it cost?",
    ]


def test_hostile_text_is_escaped(text):
    body = WITHOUT.sub("", text)
    assert ATTACK not in body
    assert "<img src=x" not in body
    assert (
        html.escape(ATTACK) in body or html.escape(ATTACK).replace("&#x27;", "&#39;").replace("&quot;", "&#34;") in body
    )


def test_it_names_no_address(text):
    assert re.findall(r"(?:src|href|action)=\"(?!#|data:)[^\"]*", WITHOUT.sub("", text)) == []
    assert "default-src 'none'" in html.unescape(text)


def test_the_sentence_about_the_winner_says_by_how_much(text):
    assert "ebm-base has the highest joint coherence: 0.810 [0.785, 0.835] over 3 seeds. Next is mmvae with" in text
    assert '+0.400</span> <span class="ends">[+0.400, +0.400]' in text  # against its base method, seed by seed
    assert "One model each" in text  # the other preset


def test_warnings_failures_and_reasons_are_there(text):
    words = html.unescape(WITHOUT.sub("", text))
    for expected in (
        "modes not reached",
        "because <img",
        "no density <img",
        "not comparable: bundled data, preset quick",
    ):
        assert expected in words


def test_what_was_left_out_is_named(tmp_path):
    write_run(tmp_path)
    (tmp_path / "runs/polymnist/mmvae/quick-0123abcd/seed-0/samples_joint.png").write_bytes(b"\x89PNG no more")
    damaged = write_run(tmp_path, "mopoe") / "provenance.json"
    damaged.write_text("{")
    make_report(tmp_path)
    text = html.unescape((tmp_path / "report.html").read_text())
    assert "provenance.json is no JSON" in text
    assert "samples_joint.png is no PNG" in text


def test_runs_that_all_failed_have_a_page_that_says_why(tmp_path):
    write_run(tmp_path, error={"kind": "Diverged", "message": "the loss is not finite", "type": "Error"})
    assert make_report(tmp_path) == 0
    text = (tmp_path / "report.html").read_text()
    assert "No run is finished yet." in text
    assert "Diverged: the loss is not finite" in text


def test_no_runs_at_all_make_a_page_too():
    assert "No run is finished yet." in page(pd.DataFrame(), pd.DataFrame())


def test_runs_without_labels_have_no_bars_and_no_charts(tmp_path):
    write_run(tmp_path, joint=None, cross=None)
    text = page(*read_runs(tmp_path))
    assert '<div class="plot" id="s1-coherence"' not in text
    assert "absent" in text


def test_the_same_runs_make_the_same_page(out, text):
    write_page(out, *read_runs(out, lambda problem: None))
    again = (out / "report.html").read_text()
    (out / "report.html").write_text(text)
    assert again == page(*read_runs(out, lambda problem: None))


def test_a_page_that_cannot_be_made_costs_the_page(tmp_path, caplog, capsys):
    write_run(tmp_path)
    (tmp_path / "report.html").mkdir()
    assert make_report(tmp_path) == 0
    assert "report.html cannot be made" in caplog.text
    assert "Report:" not in capsys.readouterr().out
    assert (tmp_path / "leaderboard.md").exists()


def test_the_report_says_where_the_page_is(tmp_path, capsys):
    write_run(tmp_path)
    make_report(tmp_path)
    assert capsys.readouterr().out.endswith(f"Report: {tmp_path / 'report.html'}\n")
    make_report(tmp_path, "csv")
    said = capsys.readouterr()
    assert said.out.startswith("method,prior,")
    assert said.err == f"Report: {tmp_path / 'report.html'}\n"


# Libraries


def test_a_library_that_changed_its_form_is_told_in_a_sentence(monkeypatch):
    monkeypatch.setattr(libraries, "_read", lambda package, path: "let a = 1;")
    with pytest.raises(BenchError, match="install itables"):
        tables_script.__wrapped__()


def test_a_library_that_is_missing_is_told_in_a_sentence():
    with pytest.raises(BenchError, match="pip install no_such_package"):
        libraries._read("no_such_package", "file.js")


def test_no_script_ends_its_element():
    assert embeddable('"</script><!--"') == r'"\x3C/script>\x3C!--"'


def test_charts_have_their_numbers_as_tables(text):
    assert "<td>ebm-base</td><td>2</td><td>0.8200</td><td>0.6000</td>" in text
    assert '<th scope="col">method, after the last epoch</th>' in text


def test_every_chart_has_its_numbers(text):
    body = WITHOUT.sub("", text)
    assert body.count('<figure class="chart"') == body.count("<summary>The numbers of this chart</summary>") >= 8


def test_a_method_that_nobody_published_says_so(tmp_path):
    write_run(tmp_path, "mvae")
    write_run(tmp_path, "mmvae")
    assert page(*read_runs(tmp_path)).count("none published") == 1


def test_columns_that_no_row_has_are_left_out(tmp_path):
    write_run(tmp_path, "mvae")
    body = WITHOUT.sub("", page(*read_runs(tmp_path)))
    for heading in ("published classifiers", "against the published value", "as published"):
        assert heading not in body
    write_published(write_run(tmp_path, "mmvae"), 0.4, 0.6)
    body = WITHOUT.sub("", page(*read_runs(tmp_path)))
    for heading in ("published classifiers", "against the published value", "as published"):
        assert heading in body


def test_long_tables_are_folded_and_say_how_many_rows_they_have(tmp_path):
    for seed in range(12):
        write_gaps(write_run(tmp_path, "ebm-base", seed, config=ENERGY), -1.0)
    caption = "Energy gap of every run with an energy prior"
    assert f'<p class="caption">{caption}' in page(*read_runs(tmp_path))
    write_gaps(write_run(tmp_path, "ebm-base", 12, config=ENERGY), -1.0)
    text = page(*read_runs(tmp_path))
    assert f'<details class="long"><summary>{caption} <span class="muted">(13 rows)</span></summary>' in text


def test_many_pictures_are_folded(tmp_path):
    for number in range(8):
        with_pictures(write_run(tmp_path, config_hash=f"{number:08}", config=MODALITIES))
    text = page(*read_runs(tmp_path))
    assert '<details class="long"><summary>2 more configurations</summary><figure' in text


def test_parameters_are_legible(text):
    assert '<td class="number">1,000</td>' in text


def test_lines_end_between_the_words_of_a_setting_and_not_in_numbers():
    assert _breakable("trainer.lr=0.0005 <b>") == "trainer.<wbr>lr=<wbr>0.0005 &lt;b&gt;"
