"""One process's attempt at a run: what it writes while it has the claim, and when it has to stop."""

from __future__ import annotations

import csv
import dataclasses
import io
import logging
import math
import time
from collections.abc import Callable
from typing import Any, Literal

from bench.runs.failures import describe
from bench.runs.lock import Claim
from bench.runs.run import Run
from bench.runs.state import AT_WORK, write_status
from bench.runs.store import previous, write_json, write_text
from bench.training.state import Progress, State

StopReason = Literal["interrupted", "partial", "requeued"]

# A status that is rewritten during the run is for people: more often is of no use to them.
STATUS_SECONDS = 2.0

log = logging.getLogger("bench")


class Session:
    """Every method raises Replaced once the claim is another process's.

    Args:
        claim: this process's, on the run's directory.
        report: told how far the training is.
        asked_to_stop: asked after every step; a reason ends the attempt with its state saved.
    """

    def __init__(
        self,
        run: Run,
        claim: Claim,
        report: Callable[[Progress], None],
        asked_to_stop: Callable[[], StopReason | None],
    ) -> None:
        self.run, self.claim, self.report, self.asked_to_stop = run, claim, report, asked_to_stop
        self.reason: StopReason | None = None
        self.latest: dict[str, Any] = {}  # the latest progress, which every status repeats
        self.written = self.checked = -math.inf
        self.trouble = False

    def stop(self) -> StopReason | None:
        """Why the attempt has to end, if it has. Checks the claim as well, before a process that slept saves its state.

        The training asks after every step; the claim is a file, and now and then is enough for it.
        """
        if time.monotonic() - self.checked > STATUS_SECONDS:
            self.claim.check()
            self.checked = time.monotonic()
        self.reason = self.reason or self.asked_to_stop()
        return self.reason

    def status(self, state: str, **more: Any) -> None:
        """status.json. Where it cannot be written the run continues: no result depends on it."""
        self.claim.check()
        self.written = time.monotonic()
        try:
            write_status(self.run, state, **self.latest, **more)
            self.trouble = False
        except OSError as error:
            # Said once while it lasts; but the end of a run is said in any case.
            if not self.trouble or state not in AT_WORK:
                cause = f" ({more['error']['type']}: {more['error']['message']})" if "error" in more else ""
                log.warning("%s: %s%s, but the status cannot be written: %s", self.run.name, state, cause, error)
            self.trouble = True

    def failed(self, error: Exception) -> None:
        """Records the failure and its cause."""
        self.status("failed", error=describe(error))

    def progress(self, progress: Progress) -> None:
        self.report(progress)
        self.latest = dataclasses.asdict(progress)
        if time.monotonic() - self.written > STATUS_SECONDS:
            self.status("running")

    def history(self, state: State) -> None:
        """history.csv: one row per epoch."""
        self.claim.check()
        columns = dict.fromkeys(term for row in state.history for term in row)
        text = io.StringIO()
        table = csv.DictWriter(text, list(columns), lineterminator="\n")
        table.writeheader()
        table.writerows(state.history)
        write_text(self.run.history_file, text.getvalue())

    def trained(self, state: State, parameters: int) -> None:
        """training.json, whose presence means that the run is trained: it comes after everything of the training."""
        self.claim.check()
        trainer = self.run.config.trainer
        self.latest |= {"epoch": trainer.epochs, "epochs": trainer.epochs, "share": 1.0}
        training = {
            "seconds": state.seconds,  # of all attempts: they are part of the training's state
            "validation_seconds": state.validation_seconds,
            "samples_per_second": state.step * trainer.batch_size / state.seconds,
            "epochs": trainer.epochs,
            "steps": state.step,
            "graphed_steps": state.graphed,
            "parameters": parameters,
        }
        # Only a training that may have to be resumed needs the checkpoint before.
        previous(self.run.checkpoint_file).unlink(missing_ok=True)
        write_json(self.run.training_file, training)
