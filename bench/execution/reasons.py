"""Why SLURM does not start a job, in a person's words: what squeue calls its reason."""

from __future__ import annotations

import re
from dataclasses import dataclass

from bench.runs.state import is_job


@dataclass(frozen=True)
class Reason:
    """Why a job waits.

    Args:
        words: for people, with SLURM's own word in brackets, and what to do where waiting does not help.
        permanent: whether the job never starts unless somebody changes something.
    """

    words: str
    permanent: bool = False

    def __str__(self) -> str:
        return self.words


# SLURM's word -> what it means. These pass by themselves.
PASSING = {
    "Resources": "waits for nodes that other jobs use",
    "Priority": "jobs of a higher priority come first",
    "Dependency": "waits for the job that it depends on",
    "BeginTime": "its time to start has not come; SLURM holds a requeued job for two minutes",
    "JobArrayTaskLimit": "as many jobs of the array run as `array_parallelism` in the cluster file allows",
    "Licenses": "waits for a licence",
    "Reservation": "waits for its reservation",
    "Cleaning": "its last start is being cleaned up",
    "Prolog": "its nodes are being prepared",
    "NodeDown": "a node that it needs is down; it starts when that is back",
    "PartitionDown": "its partition is down. If it stays so, choose another `partition` in the cluster file",
    "PartitionInactive": "its partition takes no jobs now. If it stays so, choose another `partition`",
    "ReqNodeNotAvail": "nodes that it needs are down, drained or reserved. If they stay so, change `partition` or "
    "`constraint` in the cluster file; ahead of a maintenance a shorter `time` helps",
}
# And these do not: (what it means, what to change).
LASTING = {
    "PartitionConfig": ("no node of its partition has what it asks for", "`cpus`, `memory`, `gpus` or `partition`"),
    "PartitionNodeLimit": ("its partition does not give that much to a job", "`cpus`, `gpus` or `partition`"),
    "PartitionTimeLimit": ("its partition does not give a job that much time", "`time` or `partition`"),
    "BadConstraints": ("no node has what it asks for", "`constraint`, `cpus`, `memory`, `gpus` or `partition`"),
    "AccountNotAllowed": ("its partition does not take its account", "`account` or `partition`"),
    "QOSNotAllowed": ("its partition does not take its quality of service", "`qos` or `partition`"),
    "InvalidAccount": ("its account does not exist or is not yours", "`account`"),
    "InvalidQOS": ("its quality of service does not exist or is not yours", "`qos`"),
    "ReservationDeleted": ("its reservation has been deleted", "`reservation` under `extra`"),
    "DependencyNeverSatisfied": ("the job that it depends on has failed", "`dependency` under `extra`"),
}
HELD = ("JobHeldUser", "JobHeldAdmin", "JobHoldMaxRequeue", "launch failed requeued held", "JobLaunchFailure")
# A limit names what it is of, QOSMaxCpuPerUserLimit for example, and so the key that asks for it.
LIMITED = {
    "Cpu|CPU": "`cpus`",
    "Mem": "`memory`",
    "GRES|Gres|TRES": "`gpus`",
    "Wall": "`time`",
    "Node": "`cpus` or `gpus`",
    "Submit|Jobs": "`runs_per_job`",
}


def reason_of(word: str, job: str) -> Reason:
    """What squeue's reason of the pending job means. One that is not known here is told as it is."""
    name = word.strip("() ").partition(",")[0]
    if name in PASSING:
        return Reason(f"{PASSING[name]} ({word})")
    if name in LASTING:
        meaning, keys = LASTING[name]
        return _lasting(f"{meaning} ({word})", f"change {keys} in the cluster file")
    if name in HELD:
        release = f"`scontrol release {job}` releases it" if is_job(job) else "`scontrol release` releases it"
        return Reason(f"it is held ({word}), and never starts by itself: {release}", permanent=True)
    if re.match(r"(QOS|Assoc)(Max|Min|Grp)", name) or name.endswith("Limit"):
        return _limit(name, word)
    return Reason(f"SLURM says {word}")


def _limit(name: str, word: str) -> Reason:
    keys = next((key for pattern, key in LIMITED.items() if re.search(pattern, name)), "`qos` or `account`")
    owner = "account" if name.startswith("Assoc") else "quality of service"
    # Of one job, or of time that has been used up: what others give back does not help.
    if "PerJob" in name or "PerNode" in name or "Min" in name or "Wall" in name:
        return _lasting(
            f"its {owner} does not allow that much ({word})", f"change {keys} in the cluster file, or its `qos`"
        )
    return Reason(f"a limit of its {owner} is reached; it starts when other jobs have ended ({word})")


def _lasting(meaning: str, advice: str) -> Reason:
    return Reason(f"{meaning}. It never starts as it is: `bench cancel`, {advice}, and run again", permanent=True)
