#!/usr/bin/env python3
"""`wanbench run --launcher slurm` on a real Slurm of one node, which is started for it and ended behind it.

Usage: slurm_test.py BUILD_DIR [--keep]
BUILD_DIR has wanbench and share/wanbench (the small checkpoint). Needs root, and Debian's slurm-wlm (`tools/bootstrap.sh slurm`). The
controller and the node listen on 127.0.0.1 alone, keep everything in a temporary folder and need no munge, no systemd and no
accounting: states come from scontrol, as where a cluster keeps none.

An array of four tasks, two cases of the small model with two repeats: the first is cancelled while it runs, the node is declared
failed while the second runs and comes back, the others end. Then there are four records, two of lost tasks with their states,
and one report. Resumed, the two are run, and there are four good records and one report. Exits 1 on anything else.
"""
import argparse
import glob
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time

SUITE = {"schema": "wanbench.suite", "format": 1, "name": "slurm", "version": "1",
         "defaults": {"prompt": "a red star", "width": 64, "height": 64, "num_frames": 9, "steps": 120},
         "cases": [{"name": "one", "seed": 1}, {"name": "two", "seed": 2}]}
STEPS_SECONDS = 120.0  # longest wait for something that takes seconds

CONF = """ClusterName=test
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={controller}
SlurmdPort={node}
SlurmUser=root
SlurmdUser=root
AuthType=auth/none
CredType=cred/none
CommunicationParameters=NoInAddrAny,NoCtldInAddrAny
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
MpiDefault=none
ReturnToService=2
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
SchedulerParameters=sched_interval=2,batch_sched_delay=1
KillWait=5
NodeName=n0 NodeHostname={host} NodeAddr=127.0.0.1 CPUs={cpus} State=UNKNOWN
PartitionName=main Nodes=ALL Default=YES MaxTime=INFINITE State=UP
"""


class Fault(Exception):
    pass


def expect(condition, what):
    if not condition:
        raise Fault(what)


def free_ports(count):
    sockets = [socket.socket() for _ in range(count)]
    for one in sockets:
        one.bind(("127.0.0.1", 0))
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


def until(look, what):
    end = time.monotonic() + STEPS_SECONDS
    while time.monotonic() < end:
        found = look()
        if found:
            return found
        time.sleep(0.1)
    raise Fault(f"{what}: not within {STEPS_SECONDS:.0f} s")


class Slurm:
    """A controller and a node of its own, ended with the block."""

    def __init__(self, folder):
        self.folder = folder
        self.daemons = []
        controller, node = free_ports(2)
        for name in ("state", "spool"):
            os.makedirs(f"{folder}/{name}")
        with open(f"{folder}/slurm.conf", "w") as file:
            file.write(CONF.format(host=socket.gethostname().split(".")[0], controller=controller, node=node, folder=folder,
                                   cpus=os.cpu_count()))
        with open(f"{folder}/cgroup.conf", "w") as file:
            file.write("CgroupPlugin=cgroup/v1\nCgroupAutomount=no\n")
        self.environment = {**os.environ, "SLURM_CONF": f"{folder}/slurm.conf",
                            "PATH": os.environ["PATH"] + ":/usr/sbin"}

    def __enter__(self):
        try:
            for command in (["slurmctld", "-D", "-c"], ["slurmd", "-D", "-N", "n0"]):
                self.daemons.append(subprocess.Popen(command, env=self.environment, stdout=subprocess.DEVNULL,
                                                     stderr=subprocess.DEVNULL))
            until(lambda: self.say(["sinfo", "--noheader", "--format=%T"]).strip() == "idle", "the node is idle")
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        for daemon in reversed(self.daemons):
            daemon.terminate()
        for daemon in self.daemons:
            try:
                daemon.wait(20)
            except subprocess.TimeoutExpired:
                daemon.kill()
                daemon.wait()

    def say(self, command):
        return subprocess.run(command, env=self.environment, capture_output=True, text=True, timeout=60).stdout

    def running(self):
        """Task -> its state, of the arrays of runs."""
        lines = self.say(["squeue", "--noheader", "--array", "--name=wanbench", "--format=%K %T"]).split("\n")
        return dict(line.split() for line in lines if len(line.split()) == 2)

    def is_running(self, task):
        return self.running().get(str(task)) == "RUNNING"


def records(output):
    """The counted runs: (case, repeat) -> (status, state by Slurm)."""
    found = {}
    for file in glob.glob(f"{output}/**/*.run.json", recursive=True):
        with open(file) as text:
            run = json.load(text)
        if run["case"].get("warmup"):
            continue
        facts = run["engine"].get("facts", {})
        key = (run["case"]["name"], run["case"].get("repeat", 0))
        # A run that was interrupted and what Slurm says of its task are two records of one thing.
        if key not in found or "slurm_state" in facts:
            found[key] = (run["status"], facts.get("slurm_state"))
    return found


def check(build, folder):
    output = f"{folder}/results"
    with open(f"{folder}/suite.json", "w") as file:
        json.dump(SUITE, file)
    command = [f"{build}/wanbench", "run", "--launcher", "slurm", "--gpus-per-run", "0", "--suite", f"{folder}/suite.json", "--repeats",
               "2", "--nodes-at-once", "1", "--no-video", "--output", output, "--wait"]
    with Slurm(folder) as slurm:
        with open(f"{folder}/first.txt", "w") as said:
            run = subprocess.Popen(command, env=slurm.environment, stdout=said, stderr=said)
        try:
            until(lambda: slurm.is_running(0), "task 0 runs")
            job = slurm.say(["squeue", "--noheader", "--array", "--name=wanbench", "--format=%F"]).split()[0]
            slurm.say(["scancel", f"{job}_0"])
            until(lambda: slurm.is_running(1), "task 1 runs")
            slurm.say(["scontrol", "update", "NodeName=n0", "State=DOWN", "Reason=test"])
            until(lambda: "1" not in slurm.running(), "task 1 is lost with its node")
            slurm.say(["scontrol", "update", "NodeName=n0", "State=RESUME"])
            code = run.wait(600)
        finally:
            run.kill()
            run.wait()
        first = open(f"{folder}/first.txt").read()
        expect(code == 1, f"with lost tasks the exit code is 1, it is {code}: {first}")
        expect(records(output) == {("one", 0): ("interrupted", "CANCELLED"), ("two", 0): ("interrupted", "NODE_FAIL"),
                                   ("one", 1): ("ok", None), ("two", 1): ("ok", None)},
               f"a cancelled task, one of a failed node and two good ones, there are {records(output)}: {first}")
        expect(os.path.exists(f"{output}/report.html"), "there is no report")
        os.remove(f"{output}/report.html")
        resumed = subprocess.run(command + ["--resume"], env=slurm.environment, capture_output=True, text=True, timeout=600)
        expect(resumed.returncode == 0, f"resumed, the exit code is {resumed.returncode}: {resumed.stdout}{resumed.stderr}")
        expect("2 tasks" in resumed.stdout, f"resumed, not two tasks are submitted: {resumed.stdout}")
        expect(all(ending == ("ok", None) for ending in records(output).values()) and len(records(output)) == 4,
               f"resumed, not all four are good: {records(output)}")
        reports = glob.glob(f"{folder}/**/report.html", recursive=True)
        expect(reports == [f"{output}/report.html"], f"not one report: {reports}")
        slurm.say(["scancel", "--full", "--name=wanbench"])


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("build")
    parser.add_argument("--keep", action="store_true", help="leave the temporary folder, and name it")
    options = parser.parse_args()
    if os.geteuid() != 0 or not shutil.which("slurmctld", path=os.environ["PATH"] + ":/usr/sbin"):
        sys.exit("slurm_test: needs root and Debian's slurm-wlm (tools/bootstrap.sh slurm)")
    folder = tempfile.mkdtemp(prefix="wanbench-slurm-")
    begin = time.monotonic()
    try:
        check(os.path.abspath(options.build), folder)
    except Fault as fault:
        print(f"slurm_test: {fault}", file=sys.stderr)
        return 1
    finally:
        if options.keep:
            print(folder)
        else:
            shutil.rmtree(folder, ignore_errors=True)
    print(f"an array of 4: 2 ok, 1 cancelled, 1 lost with its node; resumed: 4 ok, one report; {time.monotonic() - begin:.0f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
