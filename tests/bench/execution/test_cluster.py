"""The --cluster file, the arrays that it makes, and what they ask sbatch for."""

import os
from pathlib import Path

import pytest

from bench.commands.run import show_arrays
from bench.errors import UsageError
from bench.execution.cluster import MANAGED, Cluster, Resources, read_cluster
from bench.execution.dispatch import Execution, dispatch
from bench.execution.slurm import Array, arrays, max_array_size, outside_of_jobs, parameters
from bench.runs.run import Run
from tests.bench.conftest import tiny_config
from tests.bench.runs.hostile import PLACED, put

EXAMPLE = Path(__file__).parents[3] / "docs" / "cluster.example.yaml"


def write(folder, text):
    (folder / "cluster.yaml").write_text(text)
    return folder / "cluster.yaml"


def runs(out, *methods, seeds=(0,)):
    return [Run(tiny_config(method), seed, out) for method in methods for seed in seeds]


def test_a_method_has_the_files_resources_unless_it_overrides_them(tmp_path):
    text = "partition: gpu\ntime: 90m\nmemory: 16G\nsetup: [module load cuda]\nextra: {nice: 100}\n"
    cluster = read_cluster(write(tmp_path, text + "methods:\n  mvae: {time: 1.5h, cpus: 2}\n  mmvae: {time: 12h}\n"))
    assert cluster.of("mopoe") == Resources(
        partition="gpu", time="90m", memory="16G", setup=("module load cuda",), extra=(("nice", 100),)
    )
    assert (cluster.of("mvae").minutes, cluster.of("mvae").cpus, cluster.of("mvae").partition) == (90, 2, "gpu")
    assert cluster.of("mmvae").minutes == 720


def test_without_a_file_everything_has_a_default(tmp_path):
    assert read_cluster(None).of("mmvae") == Resources()
    assert read_cluster(write(tmp_path, "")).of("mmvae") == Resources()


def test_the_example_is_a_valid_file():
    cluster = read_cluster(EXAMPLE)
    assert cluster.default.partition == "gpu"
    assert cluster.of("ebm-generalized") == Resources(**{**vars(cluster.default), "time": "12h", "memory": "32G"})
    assert cluster.of("mvae").runs_per_job == 5


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("partitoin: gpu", "did you mean 'partition'"),
        ("methods: {mvea: {time: 4h}}", "did you mean 'mvae'"),
        ("methods: {mvae: {tme: 4h}}", "methods: mvae: unknown key 'tme': did you mean 'time'"),
        ("methods: {mvae: {methods: {}}}", "unknown key 'methods'"),
        ("methods: {mvae: 4}", "expected keys and values"),
        ("methods: [mvae]", "expected keys and values"),
        ("time: 14m", "must be at least 15m"),
        ("time: 4 days", "such as 90s, 9m or 1.5h"),
        ("time: 240", "expected str, got 240"),
        ("memory: 16", "expected str, got 16"),
        ("memory: lots", "must be such as 16G or 800M"),
        ("cpus: 0", "must be ≥ 1"),
        ("gpus: -1", "must be ≥ 0"),
        ("runs_per_job: 0", "must be ≥ 1"),
        ("array_parallelism: 0", "must be ≥ 1"),
        ("setup: module load cuda", "expected a list of shell lines"),
        ("extra: [nice]", "expected options of sbatch"),
        ("- partition", "expected keys and values"),
        ("partition: {", "cannot be read"),
    ],
)
def test_a_wrong_file_is_explained(tmp_path, text, message):
    with pytest.raises(UsageError, match=r"cluster.yaml|cluster file") as caught:
        read_cluster(write(tmp_path, text))
    assert message in str(caught.value)


def test_a_missing_file_is_explained(tmp_path):
    with pytest.raises(UsageError, match="cannot be read"):
        read_cluster(tmp_path / "none.yaml")


def test_there_is_one_array_for_all_methods_with_the_same_resources(tmp_path):
    cluster = Cluster(Resources(), {"mopoe": Resources(time="12h")})
    planned = arrays([runs(tmp_path, "mmvae", "mopoe", "mvae", seeds=(0, 1))], cluster, 1000)
    assert [(array.name, len(array.jobs)) for array in planned] == [("bench-toy", 4), ("bench-toy-mopoe", 2)]


def test_runs_share_a_job_up_to_runs_per_job_if_they_are_on_the_same_data(tmp_path):
    first, second = runs(tmp_path, "mmvae", seeds=range(3)), runs(tmp_path, "mvae", seeds=range(2))
    (array,) = arrays([first, second], Cluster(Resources(runs_per_job=2)), 1000)
    assert array.jobs == [tuple(first[:2]), (first[2],), tuple(second)]


def test_an_array_is_no_longer_than_the_cluster_allows(tmp_path):
    everything = runs(tmp_path, "mmvae", seeds=range(7))
    planned = arrays([everything], Cluster(), 3)
    assert [len(array.jobs) for array in planned] == [3, 3, 1]
    assert [run for array in planned for (run,) in array.jobs] == everything


def test_sbatch_is_asked_for_the_resources(tmp_path):
    resources = Resources(partition="gpu", time="90m", memory="800M", gpus=2, setup=("a line",), extra=(("nice", 9),))
    asked = parameters(Array(resources, [tuple(runs(tmp_path, "mmvae"))]))
    assert asked["job_name"] == "bench-toy-mmvae"
    assert (asked["time"], asked["mem"], asked["gpus_per_node"], asked["partition"]) == (90, 800 / 1024, 2, "gpu")
    assert asked["setup"] == ["export OMP_NUM_THREADS=4", "a line"]
    assert asked["additional_parameters"] == {"requeue": True, "nice": 9}
    assert "account" not in asked


def test_a_cluster_that_does_not_tell_has_slurms_own_array_limit(monkeypatch):
    monkeypatch.setenv("PATH", "")
    assert max_array_size() == 1001


def test_a_job_submits_as_if_it_were_none(monkeypatch):
    kept = {"SLURM_CONF": "/etc/slurm.conf", "SBATCH_ACCOUNT": "mine", "HOME": "/home/me"}
    for name, value in {**kept, "SLURM_JOB_ID": "7", "SLURM_CPUS_PER_TASK": "3", "SUBMITIT_EXECUTOR": "slurm"}.items():
        monkeypatch.setenv(name, value)
    with outside_of_jobs():
        assert kept.items() <= os.environ.items()
        assert not {"SLURM_JOB_ID", "SLURM_CPUS_PER_TASK", "SUBMITIT_EXECUTOR"} & os.environ.keys()
    assert os.environ["SLURM_JOB_ID"] == "7"


def test_dry_run_prints_what_sbatch_would_get_and_writes_nothing(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("PATH", "")
    cluster, out = write(tmp_path, "partition: gpu\nmethods: {mvae: {time: 12h}}"), tmp_path / "out"
    asked = runs(out, "mmvae", "mopoe", "mvae", seeds=(0, 1))
    show_arrays(asked, Execution(out, tmp_path, executor="slurm", cluster=cluster))
    printed = capsys.readouterr().out
    assert "array bench-toy: 4 jobs, 4 runs\njob_name: bench-toy\ntime: 240\n" in printed
    assert "array bench-toy-mvae: 2 jobs, 2 runs\njob_name: bench-toy-mvae\ntime: 720\n" in printed
    assert printed.count("partition: gpu") == 2
    assert not out.exists()


def test_without_slurm_the_way_to_do_without_is_named(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", "")
    with pytest.raises(UsageError, match="--executor local"):
        dispatch(runs(tmp_path / "out", "mmvae"), Execution(tmp_path / "out", tmp_path, executor="slurm"))
    assert not (tmp_path / "out").exists()


# Options that are bench's own


@pytest.mark.parametrize("key", [*MANAGED, "--time", "cpus_per_task", "sig", "outp", "open_mode", "t", "ntasks_per"])
def test_an_option_that_bench_sets_itself_is_refused_also_by_a_beginning_of_its_name(tmp_path, key):
    with pytest.raises(UsageError, match=rf"extra: {key}: bench sets .* itself: "):
        read_cluster(write(tmp_path, f"extra: {{{key}: 1}}"))


@pytest.mark.parametrize(("key", "named"), [("time", "time"), ("mem", "memory"), ("cpus-per-task", "cpus")])
def test_the_key_to_use_is_named(tmp_path, key, named):
    with pytest.raises(UsageError, match=f"the key `{named}` is for it"):
        read_cluster(write(tmp_path, f"methods: {{mvae: {{extra: {{{key}: 1}}}}}}"))


@pytest.mark.parametrize("key", ["T", "a b", "gres\\n", "é", "-J", "nice=1 --wrap", "Comment", "1"])
def test_what_is_no_option_is_refused(tmp_path, key):
    with pytest.raises(UsageError, match="no long option of sbatch"):
        read_cluster(write(tmp_path, f'extra: {{"{key}": 1}}'))


@pytest.mark.parametrize("key", ["gres", "mail_type", "--nice", "comment", "nodelist", "mem-bind", "time-min"])
def test_other_options_are_sbatchs_own(tmp_path, key):
    ((name, value),) = read_cluster(write(tmp_path, f"extra: {{{key}: x}}")).default.extra
    assert (name, value) == (key.removeprefix("--").replace("_", "-"), "x")


@pytest.mark.parametrize(
    "text",
    [
        'partition: "gpu\\n#SBATCH --uid=0"',
        'python: "python\\nrm -r x"',
        'setup: ["module load a\\nb"]',
        'extra: {comment: "a\\rb"}',
        'constraint: "a\\u001b[2J"',
        "account: |\n  two\n  lines",
        'methods: {mvae: {qos: "a\\0b"}}',
    ],
)
def test_a_value_of_several_lines_becomes_no_line_of_a_script(tmp_path, text):
    with pytest.raises(UsageError, match="line end or a control character"):
        read_cluster(write(tmp_path, text))


@pytest.mark.parametrize("what", PLACED)
def test_a_file_that_is_none_is_explained_and_blocks_nobody(tmp_path, what):
    put(tmp_path / "cluster.yaml", what)
    with pytest.raises(UsageError, match="cannot be read"):
        read_cluster(tmp_path / "cluster.yaml")


@pytest.mark.parametrize("text", ["cpus: 010", "cpus: 1:30", "cpus: 0x10", "a: &a [*a]", "time: 2001-99-99", "\xff"])
def test_input_that_could_mean_anything_is_refused(tmp_path, text):
    with pytest.raises(UsageError, match="cluster"):
        read_cluster(write(tmp_path, text))
