#!/usr/bin/python3
"""Runs the tests and counts them.

  tests/run.py [KIND|FILE...]     every kind in order, or what is named
  tests/run.py --unittest FILE    one Python test file: a line per test, then a
                                  JSON object with the counts

A test program is a process. It passes its tests as cmocka, TAP or unittest
lines; one that dies, hangs or says nothing counts as failed.
"""
import concurrent.futures
import glob
import importlib.util
import json
import os
import re
import subprocess
import sys
import time
import unittest

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
LOGS = os.path.join(ROOT, "build", "test")
TIME_LIMIT = 420        # seconds that one program may take
GRACE = 30              # seconds that it may take to end after SIGTERM
TAIL = 12000            # octets of a failure's output that are printed
SANITIZE = ["SANITIZE=address,undefined", "BUILD=build-asan"]
# A flow test with this line runs once more against the sanitized service.
SANITIZED_MARK = re.compile(r"^SANITIZED = True$", re.M)


# ---- one Python file -------------------------------------------------------

class LineResult(unittest.TestResult):
    """unittest result that prints one line per test."""

    def __init__(self):
        super().__init__()
        self.passed = 0
        self.began = 0

    def startTest(self, test):
        super().startTest(test)
        self.began = time.monotonic()

    def say(self, word, test, note=""):
        seconds = time.monotonic() - self.began if self.began else 0
        print("%s %s (%.1f s)%s" % (word, test.id(), seconds, note), flush=True)

    def addSuccess(self, test):
        super().addSuccess(test)
        self.passed += 1
        self.say("ok", test)

    def addSkip(self, test, reason):
        super().addSkip(test, reason)
        self.say("skip", test, " # " + reason)

    def addFailure(self, test, err):
        super().addFailure(test, err)
        self.say("not ok", test)
        print(self.failures[-1][1], flush=True)

    def addError(self, test, err):
        super().addError(test, err)
        self.say("not ok", test)
        print(self.errors[-1][1], flush=True)

    def addSubTest(self, test, subtest, err):
        super().addSubTest(test, subtest, err)
        if err is not None:
            both = self.failures + self.errors
            self.say("not ok", subtest)
            print(both[-1][1], flush=True)

    def counts(self):
        failed = len(self.failures) + len(self.errors) + \
            len(self.unexpectedSuccesses)
        skipped = len(self.skipped)
        return {"passed": self.passed + len(self.expectedFailures),
                "failed": failed, "skipped": skipped}


def run_unittest(path, names):
    folder = os.path.dirname(os.path.abspath(path))
    sys.path[:0] = [folder, os.path.join(ROOT, "tests", "flow"),
                    os.path.join(ROOT, "tests", "api")]
    name = os.path.splitext(os.path.basename(path))[0]
    spec = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    loader = unittest.TestLoader()
    suite = loader.loadTestsFromNames(names, module) if names \
        else loader.loadTestsFromModule(module)
    result = LineResult()
    suite.run(result)
    counts = result.counts()
    print(json.dumps(counts), flush=True)
    return 1 if counts["failed"] else 0


# ---- what a program said ---------------------------------------------------

def count_json(text):
    last = text.strip().rsplit("\n", 1)[-1]
    try:
        c = json.loads(last)
        return c["passed"], c["failed"], c["skipped"]
    except (ValueError, KeyError, TypeError):
        return None


def count_cmocka(text):
    planned = re.findall(r"^\[=+\] .*?Running (\d+) test", text, re.M)
    if not planned:
        return None
    ok = len(re.findall(r"^\[ +OK +\]", text, re.M))
    skipped = len(set(re.findall(r"^\[ +SKIPPED +\] (\w+)$", text, re.M)))
    # Groups that died in the middle: what was planned and never came.
    return ok, max(sum(map(int, planned)) - ok - skipped, 0), skipped


def count_tap(text):
    whole = [re.search(r"^# %s (\d+)$" % w, text, re.M)
             for w in ("pass", "fail", "skipped")]
    if all(whole):                      # node's own summary
        return tuple(int(m.group(1)) for m in whole)
    skipped = len(re.findall(r"^(?:ok|not ok)\b.*# skip", text, re.M | re.I))
    ok = len(re.findall(r"^ok\b(?!.*# skip)", text, re.M | re.I))
    bad = len(re.findall(r"^not ok\b(?!.*# skip)", text, re.M | re.I))
    return (ok, bad, skipped) if ok + bad + skipped else None


def counts_of(text, status):
    """(passed, failed, skipped); a bad status is at least one failure."""
    found = count_json(text) or count_cmocka(text) or count_tap(text)
    if found is None:
        return (1, 0, 0) if status == 0 else (0, 1, 0)
    ok, bad, skipped = found
    if status != 0 and bad == 0:
        bad = 1
    return ok, bad, skipped


# ---- programs --------------------------------------------------------------

class Program:
    def __init__(self, kind, name, argv, env=None):
        self.kind, self.name, self.argv = kind, name, argv
        self.env = dict(os.environ, **(env or {}))

    def run(self):
        began = time.monotonic()
        log = os.path.join(LOGS, "%s-%s.log" % (self.kind, self.name))
        with open(log, "wb") as out:
            status, note = self.run_into(out)
        with open(log, errors="replace") as f:
            text = f.read()
        ok, bad, skipped = counts_of(text, status)
        print("%-9s %-34s %4d passed %3d failed %3d skipped %6.1f s%s" % (
            self.kind, self.name, ok, bad, skipped,
            time.monotonic() - began, note), flush=True)
        if bad:
            cut = "" if len(text) <= TAIL else "(… see %s)\n" % log
            print("%s%s" % (cut, text[-TAIL:]), flush=True)
        return ok, bad, skipped

    def run_into(self, out):
        """(status, words about an end that is not usual)"""
        if not os.path.exists(os.path.join(ROOT, self.argv[0])):
            return 1, " was not built"
        child = subprocess.Popen(self.argv, cwd=ROOT, env=self.env,
                                 stdin=subprocess.DEVNULL, stdout=out,
                                 stderr=subprocess.STDOUT,
                                 start_new_session=True)
        try:
            status = child.wait(TIME_LIMIT)
        except subprocess.TimeoutExpired:
            return 1, " took longer than %d s" % TIME_LIMIT
        finally:
            end_group(child)
        return status, " ended by signal %d" % -status if status < 0 else ""


def end_group(child):
    """Ends what is left of a program's own process group. A program that is
    still there may first end what it started."""
    if child.poll() is None:
        child.terminate()
        try:
            child.wait(GRACE)
        except subprocess.TimeoutExpired:
            pass
    try:
        os.killpg(child.pid, 9)
    except ProcessLookupError:
        pass
    child.wait()


def stem(path):
    return os.path.splitext(os.path.basename(path))[0]


def files(pattern):
    return sorted(glob.glob(os.path.join(ROOT, pattern)))


def make(*args):
    done = subprocess.run(
        ["make", "-j%d" % (os.cpu_count() or 1), *args], cwd=ROOT,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    if done.returncode:
        print(done.stdout.decode(errors="replace")[-TAIL:])
    return done.returncode == 0


def python_program(kind, path, env=None):
    return Program(kind, stem(path),
                   ["/usr/bin/python3", os.path.join(ROOT, "tests/run.py"),
                    "--unittest", path], env)


def lint(_):
    return [Program("lint", "lint", ["scripts/lint", "--count"])]


def unit_sources(wanted):
    return [f for f in files("tests/unit/test_*.c") if wanted(f)]


def unit_programs(kind, build, sources, env=None):
    if not sources:
        return []
    targets = ["%s/tests/unit/%s" % (build, stem(f)) for f in sources]
    # GCC warns of things that are not there when it instruments.
    options = SANITIZE if build == "build-asan" else ["WERROR=1"]
    make(*options, "-k", *targets)
    return [Program(kind, os.path.basename(t), [t], env) for t in targets]


def unit(wanted):
    return unit_programs("unit", "build", unit_sources(wanted))


def api(wanted):
    programs = [python_program("api", f) for f in files("tests/api/test_*.py")
                if wanted(f)]
    scripts = [f for f in files("tests/api/*.mjs") if wanted(f)]
    if scripts:
        node = node_ready()
        programs += [Program("api", os.path.basename(f), [
            "/usr/bin/python3", "tests/api/libapi.py", node or "/bin/false",
            "--test-reporter=tap", f]) for f in scripts]
    return programs


def node_ready():
    """A Node of 20 or newer with tests/api's packages; None without."""
    found = subprocess.run(["scripts/node"], cwd=ROOT, text=True,
                           stdout=subprocess.PIPE)
    if found.returncode:
        return None
    folder = os.path.join(ROOT, "tests/api")
    if not os.path.isdir(os.path.join(folder, "node_modules")):
        subprocess.run(["npm", "install", "--silent", "--no-audit",
                        "--no-fund"], cwd=folder, check=False)
    return found.stdout.strip()


def flow(wanted):
    return [python_program("flow", f) for f in files("tests/flow/test_*.py")
            if wanted(f)]


def sanitized_flows():
    chosen = []
    for f in files("tests/flow/test_*.py"):
        with open(f) as text:
            if SANITIZED_MARK.search(text.read()):
                chosen.append(f)
    return chosen


def sanitize(wanted):
    env = {"ASAN_OPTIONS": "abort_on_error=1:detect_stack_use_after_return=1",
           "UBSAN_OPTIONS": "halt_on_error=1:print_stacktrace=1"}
    programs = unit_programs("sanitize", "build-asan", unit_sources(wanted),
                             dict(env))
    flows = [f for f in sanitized_flows() if wanted(f)]
    if flows and make(*SANITIZE, "all"):
        # The service ends without taking its long-lived parts apart.
        env["ASAN_OPTIONS"] += ":detect_leaks=0"
        env["TEST_BINARY"] = os.path.join(ROOT, "build-asan/postrider")
        env.setdefault("TEST_MAILS", "2500")
        programs += [python_program("sanitize", f, env) for f in flows]
    elif flows:
        programs.append(Program("sanitize", "build", ["/bin/false"]))
    return programs


KINDS = {"lint": lint, "unit": unit, "api": api, "flow": flow,
         "sanitize": sanitize}


def plan(words):
    """[(kind, filter)] for the words of the command line."""
    kinds = [w for w in words if w in KINDS]
    names = {stem(w) for w in words if w not in KINDS}
    steps = []
    for kind in KINDS:
        if not words or kind in kinds:
            steps.append((kind, lambda f: True))
        elif names and kind not in ("lint", "sanitize"):
            steps.append((kind, lambda f: stem(f) in names))
    return steps


def main(words):
    os.makedirs(LOGS, exist_ok=True)
    began = time.monotonic()
    total = [0, 0, 0]
    # Most programs wait more than they compute; each has its own service.
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        for kind, wanted in plan(words):
            for counts in pool.map(Program.run, KINDS[kind](wanted)):
                total = [a + b for a, b in zip(total, counts)]
    if words and not any(total):
        print("no test is named %s" % " ".join(words))
        total[1] = 1
    print("%.0f s" % (time.monotonic() - began))
    print("%d passed, %d failed%s" % (
        total[0], total[1], ", %d skipped" % total[2] if total[2] else ""))
    return 1 if total[1] else 0


if __name__ == "__main__":
    if sys.argv[1:2] == ["--unittest"]:
        sys.exit(run_unittest(sys.argv[2], sys.argv[3:]))
    sys.exit(main(sys.argv[1:]))
