"""How failures are recorded: by cause, with advice, and without what is this machine's business alone."""

import errno
import sys

import pytest
import torch

from bench.runs.failures import describe, kind_of
from bench.training.loop import Diverged


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (Diverged("loss is nan"), "diverged"),
        (FloatingPointError("nan"), "diverged"),
        (OSError(errno.ENOSPC, "No space left on device"), "storage"),
        (OSError(errno.ENOENT, "No such file"), "error"),
        (OSError(errno.ENOMEM, "Cannot allocate memory"), "out of memory"),
        (torch.OutOfMemoryError("CUDA out of memory"), "out of memory"),
        (MemoryError(), "out of memory"),
        (
            RuntimeError("[enforce fail at alloc_cpu.cpp:119] DefaultCPUAllocator: can't allocate memory: …"),
            "out of memory",
        ),
        (RuntimeError("shapes do not fit"), "error"),
    ],
)
def test_a_cause_has_a_word(error, kind):
    assert kind_of(error) == kind
    assert describe(error)["kind"] == kind


def test_a_cpu_without_memory_for_a_tensor_says_so():
    with pytest.raises(RuntimeError) as caught:
        torch.empty(2**50)
    recorded = describe(caught.value)
    assert recorded["kind"] == "out of memory"
    assert "Lower trainer.batch_size" in recorded["message"]


def raised(error):
    try:
        raise error
    except type(error) as caught:
        return caught


def test_a_traceback_names_no_folder_of_the_machine(tmp_path, monkeypatch):
    (tmp_path / "user_plugin.py").write_text("def call(error):\n    raise error from KeyError('before')\n")
    with monkeypatch.context() as patch:
        patch.syspath_prepend(tmp_path)
        import user_plugin
    with pytest.raises(ValueError, match="oops") as caught:
        user_plugin.call(ValueError("oops"))
    sys.modules.pop("user_plugin")
    text = describe(caught.value)["traceback"]
    assert str(tmp_path) not in text
    assert 'File "user_plugin.py", line 2, in call' in text  # it is no longer on the path: the name alone
    assert 'File "tests/bench/runs/test_failures.py"' in text
    assert "KeyError: 'before'" in text
    assert "raise error from KeyError" in text
    assert not [line for line in text.splitlines() if 'File "/' in line]


def test_what_a_message_would_do_to_a_terminal_it_does_not():
    recorded = describe(raised(ValueError("\x1b]0;title\x07 \x1b[2J\ud800")))
    assert recorded["message"] == "\\x1b]0;title\\x07 \\x1b[2J\\ud800"
    assert "\x1b" not in recorded["traceback"]


def test_an_endless_message_is_cut():
    recorded = describe(raised(ValueError("x" * 10**6)))
    assert len(recorded["message"]) < 10**5
    assert len(recorded["traceback"]) < 10**5
