"""The attributes of a bird that its picture shows and a caption may tell."""

from __future__ import annotations

COLOURS = ("red", "orange", "yellow", "green", "blue", "brown", "black", "white", "grey")
MAIN, PARTS = "colour", ("crown", "wing", "breast")
ATTRIBUTES = {name: len(COLOURS) for name in (MAIN, *PARTS)}  # attribute -> number of classes
