"""Figures over runs."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure

from bench.runs.store import write_atomic

BESIDE: dict[str, Any] = {"loc": "upper left", "bbox_to_anchor": (1.01, 1), "fontsize": "small"}  # of a legend


def save_figures(folder: Path, table: pd.DataFrame, runs: pd.DataFrame) -> list[Path]:
    """The figures of every (dataset, source, preset) of the leaderboard; the paths written."""
    sns.set_theme(style="whitegrid", context="notebook")
    written = []
    for (dataset, source, preset), group in table.groupby(["dataset", "source", "preset"], sort=False):
        same = (runs["dataset"] == dataset) & (runs["source"] == source) & (runs["preset"] == preset)
        own, own_runs = group[group["prior"] == "own"], runs[same & (runs["prior"] == "own")]
        title = f"{dataset}, {source} data, preset {preset}"
        figures = {
            "coherence": coherence_figure(own, title),
            "cross-coherence": matrix_figure(own_runs, title),
            "training": training_figure(own_runs, title),
        }
        if any("cross_coherence_2" in measures for measures in own_runs["measures"]):
            figures["subsets"] = subset_figure(own_runs, title)
        if any("joint_coherence_long" in measures for measures in own_runs["measures"]):
            figures["chains"] = chain_figure(own_runs, title)
        if len(own) < len(group):
            figures["priors"] = prior_figure(group, title)
        for name, figure in figures.items():
            path = folder / f"{dataset}-{source}-{preset}-{name}.png"
            write_atomic(path, partial(figure.savefig, format="png", dpi=130, bbox_inches="tight"))
            plt.close(figure)
            written.append(path)
    return written


def labels_of(frame: pd.DataFrame) -> pd.Series:
    """Method names, with the configuration's hash where one method occurs with several."""
    several = frame.groupby("method")["config_hash"].nunique().gt(1)
    return frame.apply(
        lambda row: f"{row['method']} {row['config_hash']}" if several[row["method"]] else row["method"], axis=1
    )


def coherence_figure(table: pd.DataFrame, title: str) -> Figure:
    """Joint against cross coherence with intervals: filled, measured here; hollow, printed on the poster.

    A bar from p0 to the aggregate posterior shows what a prior could gain on each model's decoders.
    """
    figure, axes = plt.subplots(figsize=(8, 6))
    labels = labels_of(table)
    for colour, label, (_, row) in zip(sns.color_palette(n_colors=len(table)), labels, table.iterrows()):
        x, y = row["cross_coherence"], row["joint_coherence"]
        axes.vlines(x, row["joint_coherence_base"], row["joint_coherence_aggregate"], colour, lw=6, alpha=0.2)
        axes.errorbar(
            x,
            y,
            xerr=[[max(0.0, x - row["cross_coherence_low"])], [max(0.0, row["cross_coherence_high"] - x)]],
            yerr=[[max(0.0, y - row["joint_coherence_low"])], [max(0.0, row["joint_coherence_high"] - y)]],
            fmt="o",
            color=colour,
            capsize=3,
            label=label,
        )
        axes.plot(row["poster_cross"], row["poster_joint"], "o", mfc="none", mec=colour, ms=9, mew=1.5)
    axes.set(xlim=(0, 1), ylim=(0, 1), xlabel="cross coherence", ylabel="joint coherence", title=title)
    axes.plot([], [], "o", mfc="none", mec="grey", ms=9, label="as printed on the poster")
    axes.vlines([], [], [], "grey", lw=6, alpha=0.2, label="p0 … aggregate posterior")
    axes.legend(**BESIDE)
    return figure


def matrix_figure(runs: pd.DataFrame, title: str) -> Figure:
    """One heat map per method: accuracy from source (row) to target (column), mean over seeds."""
    groups = list(runs.assign(label=labels_of(runs)).groupby("label", sort=False))
    figure, axes = plt.subplots(1, len(groups), figsize=(3.4 * len(groups), 3.6), squeeze=False)
    for axis, (label, group) in zip(axes[0], groups):
        names = group["modalities"].iloc[0]
        mean = np.array(group["matrix"].tolist()).mean(0)
        axis.imshow(mean, vmin=0, vmax=1, cmap="viridis")
        for source, target in np.ndindex(*mean.shape):
            value = mean[source, target]
            # Dark on the bright end of the colours.
            colour = "black" if value > 0.6 else "white"
            axis.text(target, source, f"{value:.2f}", ha="center", va="center", color=colour, fontsize=9)
        axis.set_xticks(range(len(names)), names)
        axis.set_yticks(range(len(names)), names)
        axis.grid(visible=False)
        axis.set(title=label, xlabel="target", ylabel="source")
    figure.suptitle(f"Cross coherence: {title}", y=1.03)
    figure.tight_layout()
    return figure


def subset_figure(runs: pd.DataFrame, title: str) -> Figure:
    """Cross coherence by the number of given modalities, mean over seeds: what is gained by seeing more."""
    figure, axes = plt.subplots(figsize=(7, 5))
    points = [
        {"method": label, "given": int(name.rpartition("_")[2]), "value": measure["value"]}
        for label, measures in zip(labels_of(runs), runs["measures"])
        for name, measure in measures.items()
        if name.startswith("cross_coherence_")
    ]
    frame = pd.DataFrame(points)
    # Markers differ as well: mixtures lie on one another.
    sns.lineplot(frame, x="given", y="value", hue="method", style="method", markers=True, dashes=False, ax=axes)
    axes.set(ylim=(0, 1), xlabel="given modalities", ylabel="cross coherence", title=title)
    axes.set_xticks(sorted(frame["given"].unique()))
    axes.legend(**BESIDE)
    return figure


def chain_figure(runs: pd.DataFrame, title: str) -> Figure:
    """Joint coherence and mean energy along the Langevin chains, per run; the vertical line ends the trained steps."""
    points, trained = [], set()
    for label, measures in zip(labels_of(runs), runs["measures"]):
        if "joint_coherence_long" in measures:
            details = measures["joint_coherence_long"]["details"]
            columns = {key: details[key] for key in ("steps", "joint_coherence", "energy")}
            points.append(pd.DataFrame(columns).assign(method=label))
            trained.add(details["steps_trained"])
    frame = pd.concat(points)
    figure, (left, right) = plt.subplots(1, 2, figsize=(11, 4))
    for axis, name, legend in ((left, "joint_coherence", False), (right, "energy", True)):
        sns.lineplot(frame, x="steps", y=name, hue="method", marker="o", errorbar=None, ax=axis, legend=legend)
        axis.set_xscale("symlog", linthresh=10)
        axis.set(xlabel="Langevin steps", ylabel=name.replace("_", " "), xlim=(0, None))
        for steps in trained:
            axis.axvline(steps, color="grey", lw=1, ls="--")
    left.set(ylim=(0, 1))
    right.legend(**BESIDE)
    figure.suptitle(f"Langevin chains from p0: {title}")
    figure.tight_layout()
    return figure


def training_figure(runs: pd.DataFrame, title: str) -> Figure:
    """ELBO and KL per epoch, and the energies of both phases for energy priors."""
    curves = []
    for label, path in zip(labels_of(runs), runs["path"]):
        curves.append(pd.read_csv(path / "history.csv").assign(method=label))
    history = pd.concat(curves).melt(["method", "epoch"], var_name="term", value_name="value")
    wanted = [t for t in ("elbo", "kl", "energy_posterior", "energy_prior") if t in set(history["term"])]
    figure, axes = plt.subplots(1, len(wanted), figsize=(4.2 * len(wanted), 3.6), squeeze=False)
    colours = dict(zip(history["method"].unique(), sns.color_palette(n_colors=history["method"].nunique())))
    for axis, term in zip(axes[0], wanted):
        part = history[history["term"] == term].dropna(subset=["value"])
        # The first panel has every method: its legend serves all of them.
        legend = axis is axes[0][0]
        sns.lineplot(part, x="epoch", y="value", hue="method", palette=colours, ax=axis, errorbar=None, legend=legend)
        axis.set(title=term.replace("_", " "), ylabel="nats")
        if term == "elbo":
            # The first epoch's value dwarfs everything after it.
            axis.set_ylim(part["value"].quantile(0.1) - 20, part["value"].max() + 20)
    handles, labels = axes[0][0].get_legend_handles_labels()
    axes[0][0].get_legend().remove()
    axes[0][-1].legend(handles, labels, **BESIDE)
    figure.suptitle(f"Training: {title}", y=1.03)
    figure.tight_layout()
    return figure


def prior_figure(table: pd.DataFrame, title: str) -> Figure:
    """Joint coherence of each method under each prior, between the floor (p0) and the ceiling (aggregate posterior)."""
    figure, axes = plt.subplots(figsize=(1.3 * table["method"].nunique() + 3, 5))
    table = table.assign(label=labels_of(table))
    labels, priors = list(table["label"].unique()), list(table["prior"].unique())
    own = table[table["prior"] == "own"].set_index("label").loc[labels]
    axes.bar(
        range(len(labels)),
        own["joint_coherence_aggregate"] - own["joint_coherence_base"],
        bottom=own["joint_coherence_base"],
        width=0.8,
        color="0.9",
        label="p0 … aggregate posterior",
    )
    colours = sns.color_palette(n_colors=len(priors))
    for k, (prior, colour) in enumerate(zip(priors, colours)):
        rows = table[table["prior"] == prior]
        x = [labels.index(label) + 0.6 * ((k + 0.5) / len(priors) - 0.5) for label in rows["label"]]
        y = rows["joint_coherence"]
        error = [(y - rows["joint_coherence_low"]).clip(lower=0), (rows["joint_coherence_high"] - y).clip(lower=0)]
        axes.errorbar(x, y, yerr=error, fmt="o", color=colour, capsize=3, label=f"{prior} prior")
    axes.set(ylim=(0, 1), ylabel="joint coherence", title=f"Joint coherence by prior: {title}")
    axes.set_xticks(range(len(labels)), labels, rotation=20, ha="right")
    axes.grid(axis="x", visible=False)
    axes.legend(**BESIDE)
    return figure
