"""What flow and API tests need: a service of their own, clients, peers.

Everything is started in a temporary directory on free loopback ports and is
ended by its process id. Tests run as root or not; as root, service and cluster
drop to the system user postrider.

  with Service() as s:
      client = s.boto("sesv2")
      ...
      s.wait_message(message_id)
"""
import atexit
import json
import os
import pwd
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(
    os.path.abspath(__file__))))
USER = "postrider"
IS_ROOT = os.getuid() == 0
LOOPBACK = "127.0.0.1"
FINAL = {"delivered", "bounced", "expired", "suppressed", "rejected", "failed",
         "cancelled"}

running = []            # started and not yet ended; the last resort is atexit


def end_all():
    for thing in list(running):
        thing.close()


atexit.register(end_all)


def end_on_term(number, frame):
    """A runner that stops us by SIGTERM still leaves nothing running."""
    raise SystemExit(143)


signal.signal(signal.SIGTERM, end_on_term)


def binary():
    """The program under test; TEST_BINARY names another build."""
    return os.environ.get("TEST_BINARY",
                          os.path.join(ROOT, "build", "postrider"))


def free_port():
    with socket.socket() as s:
        s.bind((LOOPBACK, 0))
        return s.getsockname()[1]


def wait_until(check, seconds=30, every=0.05, what="it"):
    """The first true value of check()."""
    end = time.monotonic() + seconds
    while True:
        value = check()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError("%s did not come within %s s" % (what,
                                                                  seconds))
        time.sleep(every)


def listens(port, host=LOOPBACK):
    try:
        socket.create_connection((host, port), 1).close()
        return True
    except OSError:
        return False


def alive(pid):
    try:
        with open("/proc/%d/stat" % pid) as f:
            return f.read().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def temporary(prefix="pr-"):
    """A short directory (unix sockets) that the service's user may enter."""
    path = tempfile.mkdtemp(prefix=prefix, dir="/tmp")
    os.chmod(path, 0o755)
    return path


def make_user():
    """The account that the service drops to; None when we are not root."""
    if not IS_ROOT:
        return None
    subprocess.run([os.path.join(ROOT, "scripts/make-user"), USER], check=True)
    return pwd.getpwnam(USER)


class Answer:
    """Status, headers and body of one HTTP answer."""

    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body

    @property
    def text(self):
        return self.body.decode()

    @property
    def json(self):
        return json.loads(self.body)

    def __repr__(self):
        return "<%d %s>" % (self.status, self.body[:300])


def http(method, url, body=None, headers=None, seconds=70):
    """One request; an error status is an answer too. dict and list go as
    JSON."""
    headers = dict(headers or {})
    if isinstance(body, (dict, list)):
        body = json.dumps(body).encode()
        headers.setdefault("Content-Type", "application/json")
    elif isinstance(body, str):
        body = body.encode()
    request = urllib.request.Request(url, body, headers, method=method)
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(request, timeout=seconds) as r:
            return Answer(r.status, r.headers, r.read())
    except urllib.error.HTTPError as e:
        return Answer(e.code, e.headers, e.read())


class Service:
    """One `postrider serve` with a state directory of its own.

    settings: environment variables, on top of free ports. args: after serve.
    """

    def __init__(self, settings=None, args=("--dev",), state=None):
        self.settings = dict(settings or {})
        self.args = list(args)
        self.folder = None if state else temporary()
        self.state = state or os.path.join(self.folder, "state")
        self.log = os.path.join(self.folder or os.path.dirname(self.state),
                                "service.log")
        self.process = None
        self.words = {}
        self.region = self.settings.get("POSTRIDER_REGION", "us-east-1")

    # -- life ---------------------------------------------------------------

    def environment(self):
        env = {"PATH": os.environ.get("PATH", "/usr/bin:/bin"),
               "LANG": "C.UTF-8",
               "POSTRIDER_STATE": self.state,
               "POSTRIDER_HTTP": LOOPBACK + ":0",
               "POSTRIDER_SUBMISSION": LOOPBACK + ":0",
               "POSTRIDER_MX": LOOPBACK + ":0",
               "POSTRIDER_HOSTNAME": "postrider.test"}
        for name in ("ASAN_OPTIONS", "UBSAN_OPTIONS", "TSAN_OPTIONS"):
            if name in os.environ:
                env[name] = os.environ[name]
        env.update(self.settings)
        return {k: str(v) for k, v in env.items() if v is not None}

    def prepare_state(self):
        user = make_user()
        os.makedirs(self.state, exist_ok=True)
        if user:
            os.chown(self.state, user.pw_uid, user.pw_gid)

    def start(self, seconds=60):
        self.prepare_state()
        self.out = self.log + ".out"
        with open(self.out, "wb") as out, open(self.log, "ab") as err:
            self.process = subprocess.Popen(
                [binary(), "serve", *self.args], env=self.environment(),
                stdin=subprocess.DEVNULL, stdout=out, stderr=err,
                start_new_session=True)
        if self not in running:
            running.append(self)
        try:
            wait_until(self.is_ready, seconds, what="ready")
        except AssertionError as e:
            raise AssertionError("%s; its log:\n%s" % (e, self.log_tail()))
        return self

    def is_ready(self):
        if self.process.poll() is not None:
            raise AssertionError("serve ended with status %s"
                                 % self.process.returncode)
        with open(self.out) as f:
            lines = f.read().splitlines()
        self.words = dict(reversed([line.split(" ", 1) for line in lines
                                    if " " in line]))
        return "ready" in lines

    def stop(self, seconds=70):
        """SIGTERM; the exit status."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        status = self.process.wait(seconds)
        self.wait_cluster_gone()
        return status

    def kill(self):
        """SIGKILL to the service alone; its cluster is left to notice."""
        self.process.kill()
        self.process.wait()

    def restart(self, seconds=60):
        return self.start(seconds)

    def close(self):
        if self in running:
            running.remove(self)
        if self.process and self.process.poll() is None:
            try:
                self.stop(30)
            except (subprocess.TimeoutExpired, AssertionError):
                self.kill()
        pid = self.postgres_pid()
        if pid:
            end_process(pid, (signal.SIGINT, signal.SIGQUIT, signal.SIGKILL))
        found = self.sanitizer_words()
        if self.folder:
            shutil.rmtree(self.folder, ignore_errors=True)
        if found:
            raise AssertionError(found)

    def sanitizer_words(self):
        """What ASan or UBSan said of this service; "" when nothing."""
        if not os.path.exists(self.log):
            return ""
        text = self.log_text()
        m = re.search(r"ERROR: \w+Sanitizer|: runtime error: ", text)
        return text[max(0, m.start() - 200):m.start() + 4000] if m else ""

    def __enter__(self):
        return self.start()

    def __exit__(self, *exc):
        if exc[0]:
            print(self.log_tail())
        self.close()

    # -- what it said -------------------------------------------------------

    def log_text(self):
        with open(self.log, errors="replace") as f:
            return f.read()

    def log_tail(self, octets=6000):
        return self.log_text()[-octets:]

    @property
    def url(self):
        return self.words["http"].rstrip("/")

    @property
    def mx(self):
        return host_port(self.words["mx"])

    @property
    def submission(self):
        return host_port(self.words["submission"])

    @property
    def api_key(self):
        return self.words.get("api-key") or self.settings["POSTRIDER_API_KEY"]

    @property
    def access_key(self):
        return self.words.get("access-key") or \
            self.settings["POSTRIDER_ACCESS_KEY_ID"]

    @property
    def secret_key(self):
        return self.words.get("secret-key") or \
            self.settings["POSTRIDER_SECRET_ACCESS_KEY"]

    @property
    def pid(self):
        return self.process.pid

    # -- the private cluster ------------------------------------------------

    def postmaster_file(self):
        """Lines of postmaster.pid: pid, directory, start, port, socket."""
        try:
            with open(os.path.join(self.state, "postgres",
                                   "postmaster.pid")) as f:
                return f.read().splitlines()
        except OSError:
            return []

    def postgres_pid(self):
        lines = self.postmaster_file()
        return int(lines[0]) if lines and alive(int(lines[0])) else None

    def wait_cluster_gone(self):
        wait_until(lambda: not self.postgres_pid(), 65,
                   what="the end of PostgreSQL")

    def psql(self, sql, database="postrider"):
        """Rows as lists of text."""
        lines = self.postmaster_file()
        argv = ["psql", "-X", "-At", "-F", "\t", "-v", "ON_ERROR_STOP=1",
                "-h", lines[4], "-p", lines[3], "-U",
                USER if IS_ROOT else pwd.getpwuid(os.getuid()).pw_name,
                "-d", database, "-c", sql]
        if IS_ROOT:
            argv = ["setpriv", "--reuid", USER, "--regid", USER,
                    "--clear-groups", *argv]
        done = subprocess.run(argv, stdout=subprocess.PIPE, text=True,
                              check=True, cwd="/")
        return [line.split("\t") for line in done.stdout.splitlines()]

    # -- its API ------------------------------------------------------------

    def call(self, method, path, body=None, headers=None, seconds=70):
        """With the bearer key; headers may override it."""
        merged = {"Authorization": "Bearer " + self.api_key}
        merged.update(headers or {})
        return http(method, self.url + path, body,
                    {k: v for k, v in merged.items() if v is not None},
                    seconds)

    def get(self, path, **query):
        """Answer's JSON; anything but 200 is a failure."""
        if query:
            path += "?" + urllib.parse.urlencode(query, doseq=True)
        answer = self.call("GET", path)
        assert answer.status == 200, answer
        return answer.json

    def all_items(self, path, **query):
        """Every item of a paged list."""
        query.setdefault("limit", 1000)
        items = []
        while True:
            page = self.get(path, **query)
            items += page["items"]
            if not page["nextCursor"]:
                return items
            query["cursor"] = page["nextCursor"]

    def send(self, to, subject="Hello", text="It works.",
             sender="sender@example.com", **more):
        """MessageId of a simple mail sent by SES v2."""
        body = {"FromEmailAddress": sender,
                "Destination": {"ToAddresses": [to] if isinstance(to, str)
                                else list(to)},
                "Content": {"Simple": {"Subject": {"Data": subject},
                                       "Body": {"Text": {"Data": text}}}}}
        body.update(more)
        answer = self.call("POST", "/v2/email/outbound-emails", body)
        assert answer.status == 200, answer
        return answer.json["MessageId"]

    def message(self, message_id):
        return self.get("/api/messages/" + message_id)

    def wait_message(self, message_id, seconds=60):
        """The message when all its recipients are final."""
        end = time.monotonic() + seconds
        while True:
            left = max(1, min(60, int(end - time.monotonic())))
            found = self.get("/api/messages/" + message_id, wait=left)
            states = {r["state"] for r in found["recipients"]}
            if states <= FINAL:
                return found
            if time.monotonic() > end:
                raise AssertionError("%s is still %s" % (message_id,
                                                         sorted(states)))

    def states(self, message_id, seconds=60):
        """{address: state} when all are final."""
        found = self.wait_message(message_id, seconds)
        return {r["address"]: r["state"] for r in found["recipients"]}

    def events(self, **query):
        return self.all_items("/api/events", **query)

    def wait_events(self, count, seconds=10, **query):
        """At least count events that fit the query."""
        return wait_until(
            lambda: (lambda e: e if len(e) >= count else None)(
                self.events(**query)),
            seconds, what="%d events of %s" % (count, query))

    def sandbox(self, seconds=10, **query):
        """Captured mails; waits for the first that fits."""
        return self.get("/api/sandbox/messages", wait=seconds, **query)["items"]

    def sandbox_raw(self, item):
        return self.call("GET", "/api/sandbox/messages/%s/raw"
                         % item["id"]).body

    def metric(self, name):
        """Sum over the series of one counter of /metrics; 0 when absent."""
        total = 0.0
        for line in self.call("GET", "/metrics").text.splitlines():
            m = re.match(r"%s(?:\{.*\})? (\S+)$" % re.escape(name), line)
            if m:
                total += float(m.group(1))
        return total

    # -- Amazon's clients ---------------------------------------------------

    def boto(self, name="sesv2", retries=0, **more):
        """An unmodified boto3 client; only the endpoint is ours."""
        import boto3
        from botocore.config import Config
        options = {"endpoint_url": self.url, "region_name": self.region,
                   "aws_access_key_id": self.access_key,
                   "aws_secret_access_key": self.secret_key,
                   "config": Config(retries={"max_attempts": retries},
                                    read_timeout=70)}
        options.update(more)
        return boto3.session.Session().client(name, **options)

    def aws_environment(self):
        return {"AWS_ACCESS_KEY_ID": self.access_key,
                "AWS_SECRET_ACCESS_KEY": self.secret_key,
                "AWS_REGION": self.region, "AWS_DEFAULT_REGION": self.region,
                "AWS_ENDPOINT_URL_SESV2": self.url,
                "AWS_ENDPOINT_URL_SES": self.url,
                "AWS_EC2_METADATA_DISABLED": "true",
                "TEST_HTTP": self.url, "TEST_API_KEY": self.api_key,
                "TEST_MX": self.words.get("mx", ""),
                "TEST_SUBMISSION": self.words.get("submission", "")}

    def aws(self, *args):
        """Debian's AWS CLI: (status, JSON or None, stderr)."""
        env = dict(os.environ, **self.aws_environment(), AWS_PAGER="",
                   AWS_MAX_ATTEMPTS="1")
        done = subprocess.run(
            ["/usr/bin/aws", "--endpoint-url", self.url, "--region",
             self.region, "--output", "json", *args],
            env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        out = json.loads(done.stdout) if done.stdout.strip() else None
        return done.returncode, out, done.stderr


def host_port(text):
    host, port = text.rsplit(":", 1)
    return host.strip("[]"), int(port)


def end_process(pid, signals=(signal.SIGTERM, signal.SIGKILL), seconds=10):
    """Ends one process that we started, gently first."""
    for number in signals:
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            return
        try:
            wait_until(lambda: not alive(pid), seconds, what="an end")
            return
        except AssertionError:
            continue


def command(*args, state=None, settings=None, stdin=None):
    """A postrider command to its end: CompletedProcess with text."""
    env = {"PATH": os.environ.get("PATH", "/usr/bin:/bin"), "LANG": "C.UTF-8"}
    if state:
        env["POSTRIDER_STATE"] = state
    for name in ("ASAN_OPTIONS", "UBSAN_OPTIONS"):
        if name in os.environ:
            env[name] = os.environ[name]
    env.update(settings or {})
    return subprocess.run([binary(), *args], env=env, input=stdin, text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE)
