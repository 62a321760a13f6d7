"""The sentence about the best method."""

from types import SimpleNamespace

from bench.reporting.page.leaders import leader_of


def row(method, joint, seeds=3, collapsed=0):
    ends = {"joint_coherence": joint, "joint_coherence_low": joint - 0.01, "joint_coherence_high": joint + 0.01}
    return {"method": method, "seeds": seeds, "collapsed_seeds": collapsed, **ends}


def said(*rows):
    return leader_of(SimpleNamespace(shown=rows, label=lambda row: row["method"]))


def test_a_row_with_collapsed_seeds_leads_nothing():
    """As one that always draws the same item, whose joint coherence is 1."""
    text = said(row("mmvae", 0.99, collapsed=1), row("mopoe", 0.5), row("mvae", 0.4))
    assert text.startswith("mopoe has the highest joint coherence: 0.500 [0.490, 0.510] over 3 seeds. Next is mvae")
    assert said(row("mmvae", 0.99, collapsed=3)) == (
        "Every row has collapsed seeds, which draw few of the classes. Nothing is ranked."
    )


def test_one_model_each_is_not_ranked():
    assert said(row("mmvae", 0.9, seeds=1), row("mopoe", 0.5, seeds=1)).startswith("One model each")
