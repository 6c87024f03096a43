"""End to end: a templated mail by HTTP, durable, delivered, its event
committed. Postrider, the bare path and Postfix in turns, on the same machine
in the same minutes.
"""
import json
import os
import pwd
import re
import statistics
import subprocess
import sys

import measure
from libpeer import Child, Postfix, Sink
from libpostrider import (IS_ROOT, LOOPBACK, ROOT, USER, Service, free_port,
                          http, make_user, temporary, wait_until)

CLIENTS = 64            # keep-alive connections of wrk
SESSIONS = 20           # SMTP connections to the sink, on every side
MAIL_OCTETS = 2048      # of smtp-source's mails; the template makes as many
SETTLE_LIMIT = 180      # seconds for the queue to run empty after the load
EVENT_DELIVERY = 1      # enum event_kind
POSTGRES = "/usr/lib/postgresql/15/bin"
TEMPLATE = os.path.join(ROOT, "tests/bench/template.json")

# As the service's private cluster has it (core/db/cluster.c); full durability.
POSTGRES_CONF = """
listen_addresses = ''
unix_socket_directories = '%s'
max_wal_size = 1GB
checkpoint_timeout = 5min
autovacuum_naptime = 10s
jit = off
shared_buffers = %dMB
wal_compression = lz4
"""


def say(text):
    print(text, file=sys.stderr, flush=True)


def figure(name, value, unit):
    print("%s %s %s" % (name, ("%.3f" if value < 10 else "%.1f") % value, unit),
          flush=True)


# ---- load ------------------------------------------------------------------

def milliseconds(text):
    number, unit = re.match(r"([\d.]+)(us|ms|s|m)", text).groups()
    return float(number) * {"us": 0.001, "ms": 1, "s": 1000, "m": 60000}[unit]


def wrk(url, key, seconds):
    """{requests, p50, p99}; any refused request is an error."""
    done = subprocess.run(
        ["wrk", "-t1", "-c%d" % CLIENTS, "-d%ds" % seconds, "--latency",
         "--timeout", "20s", "-s", os.path.join(ROOT, "tests/bench/wrk.lua"),
         url], env=dict(os.environ, BENCH_KEY=key), stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, text=True)
    text = done.stdout
    bad = re.search(r"(Non-2xx or 3xx responses: \d+|Socket errors: .*)", text)
    if done.returncode or bad:
        raise SystemExit("wrk: %s" % (bad.group(1) if bad else text))
    return {"requests": int(re.search(r"(\d+) requests in", text).group(1)),
            "p50": milliseconds(re.search(r"^ +50% +(\S+)", text, re.M).group(1)),
            "p99": milliseconds(re.search(r"^ +99% +(\S+)", text, re.M).group(1))}


class HttpSide:
    """What Postrider and the bare path have in common: a round is wrk until
    its time is over, then waiting until the last event is committed."""

    def round(self, seconds):
        before = self.delivered()
        cpu = self.cpu()
        memory = measure.PeakMemory(self.pid, self.postgres_pid)
        watch = measure.Stopwatch()
        found = wrk(self.url, self.key, seconds)
        wait_until(self.is_empty, SETTLE_LIMIT, 0.1, self.name + "'s queue")
        took = watch.seconds()
        found["seconds"] = took
        found["messages"] = self.delivered() - before
        if found["messages"] < found["requests"]:
            raise SystemExit("%s delivered %d of %d" % (
                self.name, found["messages"], found["requests"]))
        found["rate"] = found["messages"] / took
        found["memory"] = memory.end()
        found["memory_service"] = measure.high_water(self.pid)
        found["cpu"] = {k: 1e6 * (v - cpu.get(k, 0)) / found["messages"]
                        for k, v in self.cpu().items()}
        return found


class PostriderSide(HttpSide):
    name = "postrider"

    def __init__(self):
        self.sink = Sink()
        self.service = Service({
            "POSTRIDER_ROUTE": self.sink.route, "POSTRIDER_LOG": "warn",
            "POSTRIDER_SITE_LIMITS":
                "connections=%d,messages=100000,rate=100000" % SESSIONS})
        self.service.start()
        self.url, self.key = self.service.url, self.service.api_key
        self.pid = self.service.pid
        self.postgres_pid = self.service.postgres_pid()
        with open(TEMPLATE) as f:
            answer = self.service.call("POST", "/v2/email/templates",
                                       json.load(f))
        if answer.status != 200:
            raise SystemExit("the template was refused: %s" % answer)

    def delivered(self):
        return int(self.service.psql(
            "SELECT count(*) FROM event WHERE kind = %d"
            % EVENT_DELIVERY)[0][0])

    def is_empty(self):
        return self.service.psql(
            "SELECT EXISTS (SELECT FROM queue)")[0][0] == "f"

    def cpu(self):
        cpu = measure.threads_cpu(self.pid)
        cpu["service"] = cpu.pop("")
        cpu["postgres"] = measure.tree_cpu(self.postgres_pid)
        cpu["sink"] = measure.tree_cpu(self.sink.pid)
        return cpu

    def close(self):
        self.service.close()
        self.sink.close()


def buffers():
    """MiB: a quarter of the memory, within the service's own bounds."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return max(32, min(512, memory // 4 >> 20))


class PrivatePostgres(Child):
    """A cluster as the service makes one."""

    def __init__(self):
        user = make_user()
        self.as_user = ["setpriv", "--reuid", USER, "--regid", USER,
                        "--clear-groups"] if user else []
        self.folder = temporary()
        self.name = USER if user else pwd.getpwuid(os.getuid()).pw_name
        if user:
            os.chown(self.folder, user.pw_uid, user.pw_gid)
        data = self.folder + "/postgres"
        subprocess.run([*self.as_user, POSTGRES + "/initdb", "-k", "-A",
                        "trust", "-E", "UTF8", "--locale=C.UTF-8", "-D", data],
                       check=True, stdout=subprocess.DEVNULL, cwd="/")
        with open(data + "/postgresql.conf", "a") as f:
            f.write(POSTGRES_CONF % (self.folder, buffers()))
        folder = self.folder
        super().__init__([*self.as_user, POSTGRES + "/postgres", "-D", data],
                         self.answers, folder + "/log")
        self.folder = folder

    def answers(self):
        return subprocess.run(
            [*self.as_user, POSTGRES + "/pg_isready", "-q", "-h",
             self.folder_of_socket()], cwd="/").returncode == 0

    def folder_of_socket(self):
        return os.path.dirname(self.log)

    @property
    def url(self):
        return "host=%s user=%s dbname=postgres" % (self.folder_of_socket(),
                                                    self.name)

    def close(self):
        # SIGINT is PostgreSQL's fast shutdown; SIGTERM would wait for clients.
        if self.process.poll() is None:
            self.process.send_signal(2)
            self.process.wait(60)
        super().close()


class BareSide(HttpSide):
    name = "bare_path"
    key = "none"

    def __init__(self):
        self.sink = Sink()
        self.postgres = PrivatePostgres()
        port = free_port()
        self.url = "http://%s:%d" % (LOOPBACK, port)
        self.program = Child(
            [os.path.join(ROOT, "build/tests/bench/bare_path"), str(port),
             self.postgres.url, str(self.sink.port), TEMPLATE],
            self.listens, os.path.join(self.sink.folder, "bare.log"))
        self.pid = self.program.pid
        self.postgres_pid = self.postgres.pid

    def listens(self):
        try:
            return http("GET", self.url).status == 200
        except OSError:
            return False

    def counts(self):
        return http("GET", self.url).json

    def delivered(self):
        return self.counts()["delivered"]

    def is_empty(self):
        counts = self.counts()
        return counts["accepted"] == counts["delivered"]

    def cpu(self):
        cpu = measure.threads_cpu(self.pid)
        cpu["service"] = cpu.pop("")
        cpu["postgres"] = measure.tree_cpu(self.postgres_pid)
        cpu["sink"] = measure.tree_cpu(self.sink.pid)
        return cpu

    def close(self):
        counts = self.counts()
        say("bare path: %(acceptBatch)s messages in an accept commit, "
            "%(finishBatch)s in a finish commit" % counts)
        self.program.close()
        self.postgres.close()
        self.sink.close()


class PostfixSide:
    """smtp-source → Postfix → smtp-sink, which ends after the last mail."""
    name = "postfix"

    def __init__(self):
        self.sink_port = free_port()
        self.postfix = Postfix(relay=(LOOPBACK, self.sink_port))
        self.per_second = 600           # first guess, for the round's length

    def round(self, seconds):
        messages = max(1000, int(self.per_second * seconds))
        sink = Sink("-M", str(messages), port=self.sink_port)
        cpu = measure.tree_cpu(self.postfix.master_pid())
        watch = measure.Stopwatch()
        subprocess.run(
            ["/usr/sbin/smtp-source", "-d", "-s", str(SESSIONS), "-l",
             str(MAIL_OCTETS), "-m", str(messages), "-f",
             "shop@example.com", "-t", "customer@peer.test",
             "%s:%d" % (LOOPBACK, self.postfix.port)], check=True)
        wait_until(lambda: sink.process.poll() is not None, SETTLE_LIMIT,
                   0.02, "Postfix's queue")
        took = watch.seconds()
        sink.close()
        self.per_second = messages / took
        cpu = measure.tree_cpu(self.postfix.master_pid()) - cpu
        return {"rate": messages / took, "messages": messages,
                "seconds": took, "cpu": 1e6 * cpu / messages}

    def close(self):
        self.postfix.close()


SIDES = {s.name: s for s in (PostriderSide, BareSide, PostfixSide)}


# ---- rounds and figures ----------------------------------------------------

def median(rounds, key):
    return statistics.median(r[key] for r in rounds)


def print_figures(results):
    rates = {name: median(r, "rate") for name, r in results.items() if r}
    for name, rate in rates.items():
        figure("e2e_rate" if name == "postrider" else "e2e_rate_" + name, rate,
               "messages/s")
    for name, rate in rates.items():
        if name != "postrider" and "postrider" in rates:
            figure("e2e_ratio_" + name, rates["postrider"] / rate, "x")
    for side in ("postrider", "bare_path"):
        if results.get(side):
            tag = "" if side == "postrider" else "bare_path_"
            print_details("e2e_" + tag, results[side])
    if results.get("postfix"):
        figure("e2e_postfix_cpu", median(results["postfix"], "cpu"),
               "us/message")
    if results.get("postrider"):
        all_rates = [r["rate"] for r in results["postrider"]]
        figure("e2e_spread", 100 * (max(all_rates) - min(all_rates)) /
               rates["postrider"], "%")


def print_details(prefix, rounds):
    figure(prefix + "accept_p50", median(rounds, "p50"), "ms")
    figure(prefix + "accept_p99", median(rounds, "p99"), "ms")
    roles = sorted({k for r in rounds for k in r["cpu"]})
    for role in roles:
        value = statistics.median(r["cpu"].get(role, 0) for r in rounds)
        if value >= 0.05:
            figure(prefix + "cpu_" + role.replace("-", "_"), value,
                   "us/message")
    figure(prefix + "memory_peak", max(r["memory"] for r in rounds), "MiB")
    figure(prefix + "memory_peak_service",
           max(r["memory_service"] for r in rounds), "MiB")


def run(options):
    names = options.sides.split(",")
    if "postfix" in names and not IS_ROOT:
        say("not root: Postfix is left out")
        names.remove("postfix")
    sides, results = [], {n: [] for n in names}
    try:
        for name in names:
            sides.append(SIDES[name]())
        for number in range(options.rounds):
            for side in sides:
                found = side.round(options.seconds)
                results[side.name].append(found)
                say("round %d  %-10s %8.0f messages/s  %d in %.1f s" % (
                    number + 1, side.name, found["rate"], found["messages"],
                    found["seconds"]))
    finally:
        for side in sides:
            side.close()
    print_figures(results)
