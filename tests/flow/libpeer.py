"""Peers to deliver to: a scripted SMTP server, smtp-sink, a real Postfix, and
a DNS server that says where they are."""
import collections
import os
import pwd
import shutil
import socket
import ssl
import subprocess
import threading
import time

from libpostrider import (IS_ROOT, LOOPBACK, alive, end_process, free_port,
                          listens, running, temporary, wait_until)

LINE_MAX = 65536        # octets of a command that the scripted peer reads

Mail = collections.namedtuple("Mail", "connection sender recipients data reply")


class Close:
    """The connection ends here, without a reply; after: octets of the mail
    that are read first (in the state body)."""

    def __init__(self, after=None, reply=None, reset=False):
        self.after, self.reply, self.reset = after, reply, reset


class Silence:
    """No reply; the connection stays open until the client leaves."""


class Slow:
    """The reply comes late, or octet by octet."""

    def __init__(self, reply, seconds=0, each=0):
        self.reply, self.seconds, self.each = reply, seconds, each


class Raw:
    """These octets as they are, no CRLF added."""

    def __init__(self, octets):
        self.octets = octets


EHLO = ["PIPELINING", "SIZE 10485760", "8BITMIME", "ENHANCEDSTATUSCODES"]


def go_ahead(talk, line):
    """Servers want a recipient first; a pipelining client learns it here."""
    return "354 go ahead" if talk.recipients else "503 5.5.1 no recipient"


DEFAULTS = {
    "greeting": "220 peer.test ESMTP",
    "ehlo": "\n".join(["250-peer.test"] + ["250-" + e for e in EHLO[:-1]] +
                      ["250 " + EHLO[-1]]),
    "helo": "250 peer.test",
    "mail": "250 2.1.0 ok",
    "rcpt": "250 2.1.5 ok",
    "data": go_ahead,
    "body": "250 2.0.0 taken",
    "rset": "250 2.0.0 ok",
    "noop": "250 2.0.0 ok",
    "quit": "221 2.0.0 bye",
    "starttls": "454 4.7.0 no",
    "other": "500 5.5.1 what",
}


class Gone(Exception):
    """The conversation is over."""


class ScriptedPeer:
    """An SMTP server that does what its script says.

    script: {state: action} over DEFAULTS, or a list of such, one for each
    connection (the last repeats). A state is a key of DEFAULTS. An action is a
    reply (text; "\\n" separates its lines), Close, Silence, Slow, Raw, a list
    of actions (n-th use in this connection, the last repeats), or a function
    of (conversation, line) that gives an action. tls: an ssl.SSLContext.

    mails: what was received up to a final dot, in order, with our reply (None
    when there was none). commands: (connection number, line).
    """

    def __init__(self, script=None, host=LOOPBACK, port=0, tls=None):
        self.script, self.tls = script or {}, tls
        self.mails, self.commands = [], []
        self.connections = 0
        self.lock = threading.Lock()
        self.open = set()
        self.listener = socket.create_server((host, port), backlog=128)
        self.host, self.port = self.listener.getsockname()[:2]
        self.closed = False
        running.append(self)
        self.accepting = threading.Thread(target=self.accept_loop,
                                          daemon=True)
        self.accepting.start()

    @property
    def route(self):
        return "smtp://%s:%d" % (self.host, self.port)

    def accept_loop(self):
        while True:
            try:
                sock, _ = self.listener.accept()
            except OSError:
                return
            with self.lock:
                self.connections += 1
                number = self.connections
                self.open.add(sock)
            script = self.script
            if isinstance(script, list):
                script = script[min(number, len(script)) - 1]
            talk = Conversation(self, sock, number, script)
            threading.Thread(target=talk.run, daemon=True).start()

    def wait_mails(self, count, seconds=30):
        wait_until(lambda: len(self.mails) >= count, seconds,
                   what="%d mails" % count)
        return list(self.mails)

    def close(self):
        if self in running:
            running.remove(self)
        self.closed = True
        # accept() holds the socket, and so its port, until it is woken.
        try:
            self.listener.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self.listener.close()
        self.accepting.join(5)
        with self.lock:
            socks = list(self.open)
        for sock in socks:
            try:
                sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.close()


class Conversation:
    """One connection of a ScriptedPeer."""

    def __init__(self, peer, sock, number, script):
        self.peer, self.sock, self.number = peer, sock, number
        self.actions = dict(DEFAULTS, **script)
        self.used = collections.Counter()
        self.buffer = b""
        self.sender, self.recipients = None, []

    def run(self):
        try:
            self.answer("greeting", "")
            while True:
                self.step(self.read_line())
        except (Gone, OSError, ssl.SSLError):
            pass
        finally:
            with self.peer.lock:
                self.peer.open.discard(self.sock)
            self.sock.close()

    def step(self, line):
        with self.peer.lock:
            self.peer.commands.append((self.number, line))
        verb = line.split(" ", 1)[0].lower()
        if verb == "data" and not self.recipients and \
                self.actions["data"] == DEFAULTS["data"]:
            self.say("503 5.5.1 nobody to send it to")
            return
        reply = self.answer(verb if verb in DEFAULTS else "other", line)
        good = reply is not None and reply[:1] in "23"
        if verb == "mail" and good:
            self.sender, self.recipients = path_of(line), []
        elif verb == "rcpt" and good:
            self.recipients.append(path_of(line))
        elif verb == "data" and reply is not None and reply[:1] == "3":
            self.body()
        elif verb == "rset":
            self.sender, self.recipients = None, []
        elif verb == "starttls" and reply and reply[:1] == "2":
            self.sock = self.peer.tls.wrap_socket(self.sock, server_side=True)
            self.buffer = b""
        elif verb == "quit":
            raise Gone

    def body(self):
        action = self.choose("body", "")
        if isinstance(action, Close) and action.after is not None:
            self.read_some(action.after)
            self.perform(action)
        data = self.read_until(b"\r\n.\r\n")
        # Recorded before the reply: a client that heard 250 finds it here.
        mail = Mail(self.number, self.sender, list(self.recipients),
                    unstuff(data), first_line(action))
        with self.peer.lock:
            self.peer.mails.append(mail)
        self.sender, self.recipients = None, []
        self.perform(action)

    # -- script -------------------------------------------------------------

    def choose(self, state, line):
        action = self.actions[state]
        if isinstance(action, list):
            action = action[min(self.used[state], len(action) - 1)]
        self.used[state] += 1
        while callable(action):
            action = action(self, line)
        return action

    def answer(self, state, line):
        return self.perform(self.choose(state, line))

    def perform(self, action):
        """Does it; the reply's text, or None."""
        if isinstance(action, Close):
            if action.reply:
                self.say(action.reply)
            if action.reset:
                self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER,
                                     b"\1\0\0\0\0\0\0\0")
            raise Gone
        if isinstance(action, Silence):
            while self.sock.recv(65536):
                pass
            raise Gone
        if isinstance(action, Slow):
            time.sleep(action.seconds)
            self.say(action.reply, action.each)
            return action.reply
        if isinstance(action, Raw):
            self.sock.sendall(action.octets)
            return action.octets.decode("latin-1")
        self.say(action)
        return action

    def say(self, reply, each=0):
        octets = reply.replace("\n", "\r\n").encode("latin-1") + b"\r\n"
        if not each:
            self.sock.sendall(octets)
            return
        for i in range(len(octets)):
            self.sock.sendall(octets[i:i + 1])
            time.sleep(each)

    # -- octets -------------------------------------------------------------

    def fill(self):
        more = self.sock.recv(65536)
        if not more:
            raise Gone
        self.buffer += more

    def read_line(self):
        while b"\r\n" not in self.buffer:
            if len(self.buffer) > LINE_MAX:
                raise Gone
            self.fill()
        line, self.buffer = self.buffer.split(b"\r\n", 1)
        return line.decode("latin-1")

    def read_some(self, octets):
        while len(self.buffer) < octets:
            self.fill()

    def read_until(self, mark):
        """Octets up to the final dot. The dot may stand at the very start."""
        self.buffer = b"\r\n" + self.buffer
        while mark not in self.buffer:
            self.fill()
        data, self.buffer = self.buffer.split(mark, 1)
        return data[2:] + b"\r\n"


def path_of(line):
    return line[line.find("<") + 1:line.rfind(">")]


def unstuff(data):
    return b"\r\n".join(line[1:] if line.startswith(b".") else line
                        for line in data.split(b"\r\n"))


def first_line(action):
    if isinstance(action, Slow):
        action = action.reply
    return action.split("\n")[0] if isinstance(action, str) else None


def greylisting(seconds=0, reply="450 4.2.0 greylisted, try again"):
    """An rcpt action: a (sender, recipient) is refused when first seen, and
    until seconds after that."""
    seen = {}

    def rcpt(talk, line):
        key = (talk.sender, path_of(line))
        if key not in seen:
            seen[key] = time.monotonic()
            return reply
        if time.monotonic() - seen[key] < seconds:
            return reply
        return DEFAULTS["rcpt"]
    return rcpt


class Child:
    """A server process of ours: started, waited for, ended by its pid."""

    def __init__(self, argv, ready, log, user=None, cwd="/"):
        self.log = log
        with open(log, "ab") as out:
            self.process = subprocess.Popen(
                argv, stdin=subprocess.DEVNULL, stdout=out, stderr=out,
                cwd=cwd, start_new_session=True)
        self.folder = None
        running.append(self)
        try:
            wait_until(lambda: self.check(ready), 15, what=argv[0])
        except AssertionError:
            with open(log, errors="replace") as f:
                raise AssertionError("%s: %s" % (argv[0], f.read()[-2000:]))

    def check(self, ready):
        if self.process.poll() is not None:
            raise AssertionError("ended")
        return ready()

    @property
    def pid(self):
        return self.process.pid

    def close(self):
        if self in running:
            running.remove(self)
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        if self.folder:
            shutil.rmtree(self.folder, ignore_errors=True)

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.close()


class Sink(Child):
    """Postfix's smtp-sink. store: keep each mail in a file (mails())."""

    def __init__(self, *options, store=False, port=None):
        folder = temporary()
        self.port = port or free_port()
        self.store = os.path.join(folder, "mails")
        os.mkdir(self.store)
        os.chmod(self.store, 0o777)
        argv = ["/usr/sbin/smtp-sink"]
        if IS_ROOT:
            argv += ["-u", "nobody"]
        if store:
            argv += ["-d", self.store + "/%s."]
        argv += [*options, "%s:%d" % (LOOPBACK, self.port), "500"]
        super().__init__(argv, lambda: listens(self.port),
                         os.path.join(folder, "log"))
        self.folder = folder

    @property
    def route(self):
        return "smtp://%s:%d" % (LOOPBACK, self.port)

    def mails(self):
        found = []
        for name in sorted(os.listdir(self.store)):
            with open(os.path.join(self.store, name), "rb") as f:
                found.append(f.read())
        return found


class Dns(Child):
    """dnsmasq that knows only what it is told.

    hosts: {name: address}; mx: [(domain, exchange, preference)]; txt:
    {name: text}; more: further options. Names under zones that are not told
    do not exist.
    """

    def __init__(self, hosts=None, mx=(), txt=None, zones=("test",), more=()):
        folder = temporary()
        self.port = free_port()
        argv = ["/usr/sbin/dnsmasq", "--keep-in-foreground",
                "--conf-file=/dev/null", "--no-resolv", "--no-hosts",
                "--log-facility=-", "--pid-file=" + folder + "/pid",
                "--port=%d" % self.port, "--listen-address=" + LOOPBACK,
                "--bind-interfaces", "--user=" + pwd.getpwuid(0).pw_name
                if IS_ROOT else "--user="]
        argv += ["--local=/%s/" % z for z in zones]
        argv += ["--host-record=%s,%s" % h for h in (hosts or {}).items()]
        argv += ["--mx-host=%s,%s,%d" % m for m in mx]
        argv += ["--txt-record=%s,%s" % t for t in (txt or {}).items()]
        argv += list(more)
        super().__init__(argv, lambda: listens(self.port),
                         os.path.join(folder, "log"))
        self.folder = folder

    @property
    def address(self):
        return "%s:%d" % (LOOPBACK, self.port)


def null_mx(domain):
    """The dnsmasq option for RFC 7505's MX 0 "."."""
    return "--dns-rr=%s,15,000000" % domain


class Postfix:
    """A real Postfix with directories of its own; needs root.

    relay: (host, port) that everything goes on to; None keeps all mail for any
    domain in files (mails()). settings: further lines of main.cf.
    """

    def __init__(self, relay=None, settings=None):
        if not IS_ROOT:
            raise AssertionError("a Postfix of our own needs root")
        self.folder = temporary("pr-pf-")
        self.port = free_port()
        self.mail_folder = os.path.join(self.folder, "mail")
        self.log = os.path.join(self.folder, "log")
        self.write_files(relay, settings or {})
        running.append(self)
        self.run("start")
        wait_until(lambda: listens(self.port), 20, what="Postfix")

    def write_files(self, relay, settings):
        etc = os.path.join(self.folder, "etc")
        postfix = pwd.getpwnam("postfix")
        nobody = pwd.getpwnam("nobody")
        for name in ("etc", "queue", "data", "mail"):
            os.mkdir(os.path.join(self.folder, name))
        os.chown(os.path.join(self.folder, "data"), postfix.pw_uid,
                 postfix.pw_gid)
        os.chown(self.mail_folder, nobody.pw_uid, nobody.pw_gid)
        main = {
            "compatibility_level": "3.6",
            "queue_directory": self.folder + "/queue",
            "data_directory": self.folder + "/data",
            "command_directory": "/usr/sbin",
            "daemon_directory": "/usr/lib/postfix/sbin",
            "mail_owner": "postfix", "setgid_group": "postdrop",
            "maillog_file": self.log, "maillog_file_prefixes": "/tmp",
            "myhostname": "postfix.test", "mydestination": "",
            "inet_interfaces": "loopback-only", "inet_protocols": "ipv4",
            "mynetworks": "127.0.0.0/8", "alias_maps": "",
            "alias_database": "", "biff": "no",
            "smtpd_relay_restrictions": "permit_mynetworks, reject",
            "smtpd_client_connection_count_limit": "0",
            "smtpd_client_connection_rate_limit": "0",
            "smtputf8_enable": "no", "smtp_tls_security_level": "none",
        }
        if relay:
            main["relayhost"] = "[%s]:%d" % relay
            main["smtp_host_lookup"] = "native"
        else:
            main.update({
                "virtual_mailbox_domains": "static:all",
                "virtual_mailbox_maps": "static:inbox/",
                "virtual_mailbox_base": self.mail_folder,
                "virtual_uid_maps": "static:%d" % nobody.pw_uid,
                "virtual_gid_maps": "static:%d" % nobody.pw_gid,
                "virtual_minimum_uid": "1"})
        main.update(settings)
        with open(etc + "/main.cf", "w") as f:
            f.writelines("%s = %s\n" % row for row in main.items())
        with open(etc + "/master.cf", "w") as f:
            f.write(MASTER % self.port)

    def run(self, verb):
        """start and stop print to the terminal of whoever asks; kept away."""
        done = subprocess.run(
            ["/usr/sbin/postfix", "-c", self.folder + "/etc", verb],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True, timeout=60)
        return done.returncode, done.stdout

    @property
    def route(self):
        return "smtp://%s:%d" % (LOOPBACK, self.port)

    def master_pid(self):
        try:
            with open(self.folder + "/queue/pid/master.pid") as f:
                return int(f.read())
        except (OSError, ValueError):
            return None

    def log_text(self):
        with open(self.log, errors="replace") as f:
            return f.read()

    def mails(self):
        found = []
        folder = os.path.join(self.mail_folder, "inbox", "new")
        for name in sorted(os.listdir(folder)) if os.path.isdir(folder) else ():
            with open(os.path.join(folder, name), "rb") as f:
                found.append(f.read())
        return found

    def wait_mails(self, count, seconds=30):
        wait_until(lambda: len(self.mails()) >= count, seconds,
                   what="%d mails in Postfix" % count)
        return self.mails()

    def close(self):
        if self in running:
            running.remove(self)
        pid = self.master_pid()
        self.run("stop")
        if pid and alive(pid):
            end_process(pid)
        shutil.rmtree(self.folder, ignore_errors=True)

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.close()


# As Debian ships it, without chroot (the directories are elsewhere) and with
# the services that relaying and keeping need.
MASTER = """\
%d inet n - n - - smtpd
pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
flush unix n - n 1000? 0 flush
proxymap unix - - n - - proxymap
smtp unix - - n - - smtp
relay unix - - n - - smtp
showq unix n - n - - showq
error unix - - n - - error
retry unix - - n - - error
discard unix - - n - - discard
local unix - n n - - local
virtual unix - n n - - virtual
lmtp unix - - n - - lmtp
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
postlog unix-dgram n - n - 1 postlogd
"""
