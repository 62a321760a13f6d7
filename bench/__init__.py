"""A benchmark of multimodal variational autoencoders and their priors."""

__version__ = "0.1.0"
