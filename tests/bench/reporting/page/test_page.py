"""report.html as a file: what is in it, and what is not."""

import html
import re

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from bench.commands.report import make_report
from bench.errors import BenchError
from bench.reporting.page import libraries, page, write_page
from bench.reporting.page.libraries import embeddable, tables_script
from bench.reporting.page.pictures import embedded, first_samples, read_picture, real_items, reduced
from bench.reporting.rows import read_runs
from bench.runs.reading import Unreadable
from tests.bench.reporting.page.conftest import ATTACK, cross_picture, picture
from tests.bench.rundirs import write_run

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
    assert "+0.400 [+0.400, +0.400]" in text  # against its base method, seed by seed
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


# Pictures


def test_enlarged_pictures_are_reduced_exactly():
    enlarged = picture(2, 3)
    assert reduced(enlarged).size == (enlarged.width // 2, enlarged.height // 2)
    assert reduced(enlarged).resize(enlarged.size, Image.Resampling.NEAREST).tobytes() == enlarged.tobytes()
    noise = reduced(enlarged)
    assert reduced(noise) is noise


def test_real_items_are_the_top_rows_of_the_blocks():
    sheet = cross_picture()
    items = real_items(sheet, 2)
    row = sheet.height // 3
    assert items.size == ((sheet.width - 4) // 2, 2 * row)
    assert items.crop((0, 0, items.width, row)).tobytes() == sheet.crop((0, 0, items.width, row)).tobytes()
    second = sheet.crop((items.width + 4, 0, sheet.width, row))
    assert items.crop((0, row, items.width, 2 * row)).tobytes() == second.tobytes()
    assert real_items(sheet, 3) is None


def test_what_is_no_picture_is_unreadable(tmp_path):
    path = tmp_path / "picture.png"
    for content in (b"text", b"\x89PNG\r\n\x1a\n" + bytes(30), b""):
        path.write_bytes(content)
        with pytest.raises(Unreadable):
            read_picture(path)
    Image.new("1", (9000, 9000)).save(path)
    with pytest.raises(Unreadable, match="9000 x 9000 pixels"):
        read_picture(path)


def test_sheets_with_words_keep_their_size_and_show_whole_columns():
    words = Image.effect_noise((20 * 192, 230), 90).convert("RGB")
    shown = first_samples(words)
    assert shown.size == (12 * 192, 230)
    assert embedded(shown).written
    assert embedded(shown).width == shown.width
    enlarged = words.resize((20 * 192 * 2, 460), Image.Resampling.NEAREST)
    assert first_samples(enlarged) is enlarged
    assert not embedded(enlarged).written


def test_real_items_of_several_kinds_are_not_cut_out_of_rows_of_unknown_height(tmp_path):
    run = write_run(tmp_path, config={"modalities": {"m0": {"kind": "image"}, "m1": {"kind": "text"}}})
    cross_picture().save(run / "samples_cross.png")
    text = page(*read_runs(tmp_path))
    assert "Cross generation by mmvae" in text
    assert "Real held-out data" not in text


def test_charts_have_their_numbers_as_tables(text):
    assert "<td>ebm-base</td><td>2</td><td>0.8200</td><td>0.6000</td>" in text
    assert '<th scope="col">method, after the last epoch</th>' in text


def test_a_method_that_nobody_published_says_so(tmp_path):
    write_run(tmp_path, "mvae")
    assert "none published" in page(*read_runs(tmp_path))


def test_large_pictures_are_made_smaller():
    assert embedded(Image.effect_noise((3500, 70), 90).convert("RGB")).width == 3000


def test_noise_is_embedded():
    pixels = np.random.default_rng(0).integers(0, 256, (600, 600, 3), dtype=np.uint8)
    found = embedded(Image.fromarray(pixels))
    assert (found.width, found.height) == (600, 600)
    assert found.src.startswith("data:image/jpeg;base64,")
