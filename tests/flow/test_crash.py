"""What is accepted is delivered, whoever dies in between.

A ledger holds what the service said about each mail; the peer writes down what
it got before it says 250. Both are compared when the queue is empty again.
"""
import collections
import http.client
import json
import os
import random
import re
import signal
import socket
import subprocess
import threading
import time
import unittest

from libpeer import ScriptedPeer, Silence, Slow
from libpostrider import (FINAL, IS_ROOT, LOOPBACK, USER, Service, free_port,
                          temporary, wait_until)

SANITIZED = True

SEED = int(os.environ.get("TEST_SEED") or random.randrange(1, 10 ** 6))
MAILS = int(os.environ.get("TEST_MAILS") or 5000)
KILLS = 8               # of the service
DATABASE_KILLS = 3      # of the private cluster's postmaster
CONNECTIONS = 10


# ---- the ledger -----------------------------------------------------------

class Ledger:
    """What each mail's sender was told. Every mail has an address of its
    own."""

    def __init__(self):
        self.lock = threading.Lock()
        self.accepted = {}              # id → address
        self.doubtful = set()           # no answer came: stored or not
        self.refused = set()
        self.answers = collections.Counter()
        self.serial = 0

    def addresses(self, n):
        with self.lock:
            first, self.serial = self.serial, self.serial + n
        return ["u%d@peer.test" % i for i in range(first, first + n)]

    def accept(self, pairs):
        with self.lock:
            self.accepted.update(pairs)


def check(ledger, rows, sink, possible, at_once):
    """Faults in words; none when all is well.

    rows: (id, state) as the service lists them; sink: (address, Message-ID)
    in order of arrival; possible: duplicates that the service owns up to;
    at_once: transactions that the kills may have cut behind the dot.
    """
    faults = []
    listed = collections.Counter(row[0] for row in rows)
    state = dict(rows)
    copies = collections.Counter(s[0] for s in sink)
    names = collections.defaultdict(set)
    for address, message_id in sink:
        names[address].add(message_id)
    for message, address in ledger.accepted.items():
        if listed[message] != 1:
            faults.append("%s is listed %d times" % (message, listed[message]))
        elif state[message] not in FINAL:
            faults.append("%s is %s" % (message, state[message]))
        elif state[message] == "delivered" and not copies[address]:
            faults.append("%s is lost" % message)
        elif state[message] != "delivered":
            faults.append("%s is %s" % (message, state[message]))
    known = set(ledger.accepted.values())
    for address in copies:
        if address in ledger.refused:
            faults.append("%s was refused and sent" % address)
        elif address not in known and address not in ledger.doubtful:
            faults.append("%s is a stranger" % address)
        if len(names[address]) > 1:
            faults.append("%s came under several names" % address)
    twice = len(sink) - len(copies)
    if twice > possible:
        faults.append("%d copies, %d owned up to" % (twice, possible))
    if twice > at_once:
        faults.append("%d copies, %d could be" % (twice, at_once))
    return faults


class Checker(unittest.TestCase):
    """A checker that finds nothing is worth nothing: planted faults."""

    def setUp(self):
        self.ledger = Ledger()
        self.ledger.accept([("m%d" % i, "u%d" % i) for i in range(5)])
        self.ledger.doubtful = {"u5", "u6"}
        self.ledger.refused = {"u7"}
        self.rows = [("m%d" % i, "delivered") for i in range(5)]
        self.rows.append(("m5", "delivered"))
        self.sink = [("u%d" % i, "<%d@x>" % i) for i in range(6)]

    def faults(self, possible=0, at_once=9):
        return check(self.ledger, self.rows, self.sink, possible, at_once)

    def test_all_well(self):
        self.assertEqual(self.faults(), [])
        self.sink.append(self.sink[0])
        self.assertEqual(self.faults(possible=1), [])

    def test_row_dropped(self):
        del self.rows[2]
        self.assertEqual(len(self.faults()), 1)

    def test_row_doubled(self):
        self.rows.append(self.rows[0])
        self.assertEqual(len(self.faults()), 1)

    def test_row_not_final(self):
        self.rows[1] = ("m1", "queued")
        self.assertEqual(len(self.faults()), 1)

    def test_mail_lost(self):
        del self.sink[3]
        self.assertEqual(self.faults(), ["m3 is lost"])

    def test_copy_that_nobody_owns_up_to(self):
        self.sink.append(self.sink[0])
        self.assertEqual(len(self.faults()), 1)

    def test_more_copies_than_could_be(self):
        self.sink += self.sink[:3]
        self.assertEqual(len(self.faults(possible=3, at_once=2)), 1)

    def test_copy_under_another_name(self):
        self.sink.append(("u0", "<other@x>"))
        self.assertEqual(len(self.faults(possible=1)), 1)

    def test_refused_and_stranger(self):
        self.sink += [("u7", "<7@x>"), ("u8", "<8@x>")]
        self.assertEqual(len(self.faults()), 2)


# ---- clients --------------------------------------------------------------

def bulk_body(addresses):
    return {"FromEmailAddress": "sender@example.com",
            "DefaultContent": {"Template": {
                "TemplateContent": {"Subject": "Hello", "Text": "It works."},
                "TemplateData": "{}"}},
            "BulkEmailEntries": [{"Destination": {"ToAddresses": [a]}}
                                 for a in addresses]}


def single_body(address):
    return {"FromEmailAddress": "sender@example.com",
            "Destination": {"ToAddresses": [address]},
            "Content": {"Simple": {"Subject": {"Data": "Hello"}, "Body": {
                "Text": {"Data": "It works."}}}}}


class Client(threading.Thread):
    """Sends until enough is accepted; one connection, made anew when it
    breaks."""

    def __init__(self, ledger, service, port, number):
        super().__init__(daemon=True)
        self.ledger, self.port, self.number = ledger, port, number
        self.headers = {"Authorization": "Bearer " + service.api_key,
                        "Content-Type": "application/json"}
        self.limit = 0          # of accepted mails, all clients together
        self.ends = False
        self.connection = None

    def run(self):
        turn = self.number
        while not self.ends:
            if len(self.ledger.accepted) >= self.limit:
                time.sleep(0.01)
                continue
            turn += 1
            self.send(10 if turn % 3 else 1)

    def send(self, n):
        addresses = self.ledger.addresses(n)
        path, body = ("/v2/email/outbound-bulk-emails", bulk_body(addresses)) \
            if n > 1 else ("/v2/email/outbound-emails",
                           single_body(addresses[0]))
        try:
            status, answer = self.call(path, json.dumps(body))
        except ConnectionRefusedError:
            self.lose(addresses, self.ledger.refused, "no connection")
        except (OSError, http.client.HTTPException):
            self.lose(addresses, self.ledger.doubtful, "no answer")
        else:
            self.ledger.answers[status] += 1
            if status == 200:
                self.take(addresses, answer)
            else:
                self.lose(addresses, self.ledger.refused, None)

    def call(self, path, body):
        if self.connection is None:
            self.connection = http.client.HTTPConnection(LOOPBACK, self.port,
                                                         timeout=70)
        self.connection.request("POST", path, body, self.headers)
        answer = self.connection.getresponse()
        return answer.status, json.loads(answer.read())

    def take(self, addresses, answer):
        if "MessageId" in answer:
            self.ledger.accept([(answer["MessageId"], addresses[0])])
            return
        for address, result in zip(addresses, answer["BulkEmailEntryResults"]):
            if result["Status"] == "SUCCESS":
                self.ledger.accept([(result["MessageId"], address)])
            else:
                self.lose([address], self.ledger.refused, result["Status"])

    def lose(self, addresses, where, why):
        if why:
            self.ledger.answers[why] += 1
        with self.ledger.lock:
            where.update(addresses)
        self.hang_up()
        time.sleep(0.05)

    def hang_up(self):
        if self.connection:
            self.connection.close()
        self.connection = None


def settings(peer, port, **more):
    return {"POSTRIDER_ROUTE": peer.route, "POSTRIDER_RETRY": "1s",
            "POSTRIDER_HTTP": "%s:%d" % (LOOPBACK, port),
            "POSTRIDER_SITE_LIMITS": "connections=%d,messages=100,rate=100000"
            % CONNECTIONS, **more}


def queue_length(service):
    return int(service.psql("SELECT count(*) FROM queue")[0][0])


def sink_lines(peer):
    found = []
    for mail in list(peer.mails):
        name = re.search(rb"(?mi)^Message-ID: *(\S+)", mail.data)
        found.append((mail.recipients[0], name and name.group(1)))
    return found


def listed(service):
    """(id, state) of every recipient that the API lists."""
    rows = []
    for item in service.all_items("/api/messages"):
        counts = item["recipients"]
        assert sum(counts.values()) == 2 * counts["total"] == 2, item
        rows += [(item["id"], k) for k in counts if k != "total"]
    return rows


def owned_up(service):
    """Possible duplicates of all lives, from the log."""
    log = service.log_text()
    return log.count("status=unknown") + sum(
        int(n) for n in re.findall(r"replayed \d+ results and (\d+) unknowns",
                                   log))


# ---- killed at any time ---------------------------------------------------

class Killed(unittest.TestCase):
    def setUp(self):
        self.peer = ScriptedPeer({"body": Slow("250 2.0.0 taken", 0.004)})
        self.addCleanup(self.peer.close)
        self.port = free_port()
        self.service = Service(settings(self.peer, self.port))
        self.addCleanup(self.service.close)
        self.service.start()
        self.ledger = Ledger()

    def kill_service(self):
        self.service.kill()
        self.service.start()

    def kill_database(self):
        old = self.service.postgres_pid()
        os.kill(old, signal.SIGKILL)
        wait_until(lambda: self.service.postgres_pid() not in (None, old), 40,
                   what="another postmaster")
        wait_until(self.takes_mail, 40, what="a service that takes mail")

    def takes_mail(self):
        return self.service.call("GET", "/readyz").status == 200

    def test_nothing_is_lost(self):
        print("seed %d" % SEED, flush=True)
        chance = random.Random(SEED)
        deeds = [self.kill_service] * KILLS + \
            [self.kill_database] * DATABASE_KILLS
        chance.shuffle(deeds)
        clients = [Client(self.ledger, self.service, self.port, i)
                   for i in range(4)]
        for c in clients:
            c.start()
        for i, deed in enumerate(deeds):
            for c in clients:
                c.limit = MAILS * (i + 1) // (len(deeds) + 1)
            time.sleep(chance.uniform(0.05, 0.9))
            deed()
        for c in clients:
            c.limit = MAILS
        wait_until(lambda: len(self.ledger.accepted) >= MAILS, 60,
                   what="%d accepted mails" % MAILS)
        for c in clients:
            c.ends = True
        for c in clients:
            c.join(80)
            c.hang_up()
        wait_until(lambda: queue_length(self.service) == 0, 60, 0.2,
                   what="an empty queue")
        self.compare()

    def compare(self):
        sink = sink_lines(self.peer)
        possible = owned_up(self.service)
        print("%d accepted, %d doubtful, answers %s, %d at the peer, %d twice,"
              " %d owned up to" % (
                  len(self.ledger.accepted), len(self.ledger.doubtful),
                  dict(self.ledger.answers), len(sink),
                  len(sink) - len({s[0] for s in sink}), possible), flush=True)
        faults = check(self.ledger, listed(self.service), sink, possible,
                       CONNECTIONS * KILLS)
        self.assertEqual(faults[:20], [])
        self.assertFalse([a for a in self.ledger.answers
                          if isinstance(a, int) and a >= 500],
                         self.ledger.answers)
        events = collections.Counter(
            e["messageId"] for e in self.service.events(type="DELIVERY"))
        self.assertEqual([m for m in self.ledger.accepted if events[m] != 1],
                         [])

    def test_own_rows_come_back_at_once(self):
        self.peer.script = {"rcpt": Silence()}
        ids = [self.service.send("u%d@peer.test" % i) for i in range(30)]
        wait_until(lambda: sum(1 for c in list(self.peer.commands)
                               if c[1].startswith("RCPT")) >= CONNECTIONS, 10)
        self.service.kill()
        self.peer.script = {}
        self.service.start()
        begun = time.monotonic()
        for message_id in ids:
            self.assertEqual(set(self.service.states(message_id).values()),
                             {"delivered"})
        self.assertLess(time.monotonic() - begun, 8)
        self.assertRegex(self.service.log_text(), "took back 30 rows")
        self.assertEqual(len(self.peer.mails), 30)


# ---- stopped --------------------------------------------------------------

class Stopped(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.peer = ScriptedPeer()
        cls.port = free_port()
        cls.service = Service(settings(cls.peer, cls.port))

    @classmethod
    def tearDownClass(cls):
        cls.service.close()
        cls.peer.close()

    def setUp(self):
        self.peer.script = {}
        del self.peer.mails[:]
        self.service.start()
        self.addCleanup(self.service.stop)

    def stop(self, within):
        begun = time.monotonic()
        self.assertEqual(self.service.stop(), 0)
        self.assertLess(time.monotonic() - begun, within)
        self.assertIn("serve stopped", self.service.log_tail(300))

    def test_idle(self):
        self.stop(5)

    def test_after_a_delivery(self):
        message_id = self.service.send("a@peer.test")
        self.service.wait_message(message_id)
        self.stop(5)

    def test_with_open_connections(self):
        """A client that stays connected, and one that waits for news."""
        host, port = LOOPBACK, self.port
        idle = socket.create_connection((host, port))
        self.addCleanup(idle.close)
        self.peer.script = {"greeting": Silence()}
        message_id = self.service.send("b@peer.test")
        answers = []
        waiter = threading.Thread(target=lambda: answers.append(
            self.service.call("GET", "/api/messages/%s?wait=50" % message_id)))
        waiter.start()
        time.sleep(0.5)
        self.stop(8)
        waiter.join(5)
        self.assertEqual([a.status for a in answers], [200])
        self.peer.script = {}
        self.service.start()
        self.assertEqual(self.service.states(message_id, 20),
                         {"b@peer.test": "delivered"})

    def test_full_queue(self):
        """A thousand mails, a slow peer: those under way are finished, the
        others wait for the next start."""
        self.peer.script = {"body": Slow("250 2.0.0 taken", 0.05)}
        ledger = Ledger()
        for _ in range(20):
            addresses = ledger.addresses(50)
            answer = self.service.call(
                "POST", "/v2/email/outbound-bulk-emails", bulk_body(addresses))
            self.assertEqual(answer.status, 200)
            ledger.accept(zip(
                (r["MessageId"] for r in answer.json["BulkEmailEntryResults"]),
                addresses))
        self.stop(8)
        self.assertLess(len(self.peer.mails), 1000)
        self.peer.script = {}
        before = owned_up(self.service)
        self.service.start()
        wait_until(lambda: queue_length(self.service) == 0, 40, 0.2,
                   what="an empty queue")
        rows = [r for r in listed(self.service) if r[0] in ledger.accepted]
        self.assertEqual(
            check(ledger, rows, sink_lines(self.peer), 0, 0), [])
        self.assertEqual(owned_up(self.service), before)

    def test_under_load(self):
        """An orderly stop answers what it took, and takes nothing else."""
        self.peer.script = {"body": Slow("250 2.0.0 taken", 0.004)}
        ledger, before = Ledger(), owned_up(self.service)
        clients = [Client(ledger, self.service, self.port, i)
                   for i in range(4)]
        for c in clients:
            c.limit = 10 ** 6
            c.start()
        time.sleep(1)
        self.stop(8)
        for c in clients:
            c.ends = True
        for c in clients:
            c.join(10)
            c.hang_up()
        self.service.start()
        wait_until(lambda: queue_length(self.service) == 0, 40, 0.2,
                   what="an empty queue")
        rows = [r for r in listed(self.service) if r[0] in ledger.accepted]
        sink = sink_lines(self.peer)
        self.assertGreater(len(ledger.accepted), 20)
        self.assertEqual(check(ledger, rows, sink, 0, 0), [])
        self.assertEqual([s[0] for s in sink if s[0] in ledger.doubtful], [])
        self.assertEqual(owned_up(self.service), before)
        self.assertFalse([a for a in ledger.answers
                          if isinstance(a, int) and a >= 500], ledger.answers)

    def test_second_service_on_the_same_state(self):
        other = Service(dict(self.service.settings, POSTRIDER_HTTP=None),
                        state=self.service.state)
        other.log = self.service.log + ".other"
        with self.assertRaises(AssertionError) as caught:
            other.start(20)
        other.process.wait(5)
        self.assertIn("another postrider serves from the state directory",
                      str(caught.exception))
        self.assertEqual(self.service.call("GET", "/readyz").status, 200)

    def test_second_node_on_the_same_database(self):
        lines = self.service.postmaster_file()
        url = "postgresql:///postrider?host=%s&port=%s&user=%s" % (
            lines[4], lines[3], USER if IS_ROOT else os.environ["USER"])
        other = Service(dict(
            self.service.settings, POSTRIDER_HTTP=None, DATABASE_URL=url,
            POSTRIDER_MASTER_KEY_FILE=self.service.state + "/master.key"))
        self.addCleanup(other.close)
        with self.assertRaises(AssertionError) as caught:
            other.start(20)
        other.process.wait(5)
        self.assertIn("another Postrider delivers from this database",
                      str(caught.exception))
        message_id = self.service.send("c@peer.test")
        self.assertEqual(self.service.states(message_id),
                         {"c@peer.test": "delivered"})


if __name__ == "__main__":
    unittest.main()
