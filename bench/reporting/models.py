"""What the classes of methods and priors say of a run's model: whose model it is, and what its p0 is."""

from __future__ import annotations

from functools import lru_cache

from methods import METHODS, PRIORS


@lru_cache(maxsize=1024)
def base_method(method: str) -> str:
    """The method that this one is with another prior, as "mmvae" is of "ebm-base"; else the method itself."""
    try:
        names = {target: name for name, target in METHODS.targets.items()}
        bases = [names.get(f"{kind.__module__}:{kind.__qualname__}") for kind in METHODS.load(method).__mro__]
        return next((name for name in reversed(bases) if name), method)
    except Exception:  # of a plug-in that is not here, or that fails
        return method


@lru_cache(maxsize=1024)
def has_base(prior: str) -> bool:
    """`Prior.has_base` of the prior of that name; one that is not here may have one."""
    try:
        return PRIORS.load(prior).has_base()
    except Exception:  # as above
        return True
