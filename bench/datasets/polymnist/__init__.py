"""PolyMNIST: five images of the same digit, each in another handwriting over another background."""
