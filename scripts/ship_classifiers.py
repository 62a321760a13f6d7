"""Trains the classifiers of the bundled data, and puts them into the package.

    python scripts/ship_classifiers.py

Needed when bundled data, a recipe or a classifier's network have changed: `bench.evaluation.classifiers` looks for a
folder that is called by the data's fingerprint and the recipe's version, and trains where there is none. Folders of
earlier data and recipes are removed. Two minutes on two cores.
"""

from __future__ import annotations

import shutil

from bench.datasets import DATASETS, dataset_source, default_root
from bench.evaluation.classifier_training import train_all
from bench.evaluation.classifiers import PUBLISHED, ROBUST, SHIPPED, Classifiers, folder_of, write_classifiers


def main() -> None:
    shutil.rmtree(SHIPPED, ignore_errors=True)
    for source in map(dataset_source, DATASETS):
        if "bundled" not in source.sources:
            continue
        data = source.load("bundled", default_root())
        for recipe in (ROBUST, PUBLISHED) if data.published else (ROBUST,):
            folder = SHIPPED / folder_of(data, recipe)
            folder.mkdir(parents=True)
            write_classifiers(folder, Classifiers(*train_all(data, recipe, print)))


if __name__ == "__main__":
    main()
