"""CPU and memory of processes, from /proc."""
import collections
import os
import re
import threading
import time

TICK = os.sysconf("SC_CLK_TCK")


def stat_of(path):
    """(name, parent, seconds of CPU, of its reaped children) of a stat file."""
    with open(path) as f:
        text = f.read()
    name = text[text.index("(") + 1:text.rindex(")")]
    fields = text[text.rindex(")") + 2:].split()
    return (name, int(fields[1]), (int(fields[11]) + int(fields[12])) / TICK,
            (int(fields[13]) + int(fields[14])) / TICK)


def each(folder):
    """stat_of() of what stands in /proc or a task folder, by number."""
    for entry in os.listdir(folder):
        if entry.isdigit():
            try:
                yield int(entry), stat_of("%s/%s/stat" % (folder, entry))
            except (OSError, ValueError):
                pass                    # it ended meanwhile


def role(name):
    """press-0 and press-1 are one role."""
    return re.sub(r"[-_:/]?\d+$", "", name) or name


def threads_cpu(pid):
    """{role: seconds}; the whole process under ''."""
    cpu = collections.Counter()
    for _, (name, _, own, _) in each("/proc/%d/task" % pid):
        cpu[role(name)] += own
    cpu[""] = stat_of("/proc/%d/stat" % pid)[2]
    return cpu


def tree(pid):
    """pid and its descendants."""
    children = collections.defaultdict(list)
    for number, (_, parent, _, _) in each("/proc"):
        children[parent].append(number)
    found, todo = [], [pid]
    while todo:
        found.append(todo.pop())
        todo += children[found[-1]]
    return found


def tree_cpu(pid):
    """Seconds of a process and its descendants, reaped ones included."""
    total = 0
    for number in tree(pid):
        try:
            _, _, own, reaped = stat_of("/proc/%d/stat" % number)
            total += own + reaped
        except OSError:
            pass
    return total


def pss(pids):
    """MiB that the processes have for themselves, shared pages divided."""
    total = 0
    for pid in pids:
        try:
            with open("/proc/%d/smaps_rollup" % pid) as f:
                m = re.search(r"^Pss:\s+(\d+) kB", f.read(), re.M)
                total += int(m.group(1)) if m else 0
        except OSError:
            pass
    return total / 1024


def high_water(pid):
    """MiB that one process had resident at its highest (VmHWM)."""
    with open("/proc/%d/status" % pid) as f:
        return int(re.search(r"^VmHWM:\s+(\d+) kB", f.read(), re.M)
                   .group(1)) / 1024


class PeakMemory(threading.Thread):
    """Highest PSS of some processes and their descendants, together, while it
    runs; a look each second."""

    def __init__(self, *roots):
        super().__init__(daemon=True)
        self.roots, self.peak, self.ended = roots, 0, threading.Event()
        self.start()

    def run(self):
        while not self.ended.is_set():
            pids = {p for root in self.roots for p in tree(root)}
            self.peak = max(self.peak, pss(pids))
            self.ended.wait(1)

    def end(self):
        self.ended.set()
        self.join()
        return self.peak


class Stopwatch:
    def __init__(self):
        self.began = time.monotonic()

    def seconds(self):
        return time.monotonic() - self.began
