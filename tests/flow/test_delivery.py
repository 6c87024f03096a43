"""Delivery to peers that behave, and to peers that do not."""
import collections
import re
import ssl
import subprocess
import time
import unittest

from libpeer import (Close, Dns, ScriptedPeer, Sink, Slow, greylisting)
from libpostrider import Service, free_port, temporary, wait_until

SANITIZED = True

SENDER = "sender@example.com"


def bulk(service, addresses):
    """MessageIds of one bulk call, one mail for each address."""
    answer = service.call("POST", "/v2/email/outbound-bulk-emails", {
        "FromEmailAddress": SENDER,
        "DefaultContent": {"Template": {
            "TemplateContent": {"Subject": "For {{name}}",
                                "Text": "Hello {{name}}."},
            "TemplateData": "{\"name\":\"nobody\"}"}},
        "BulkEmailEntries": [
            {"Destination": {"ToAddresses": [a]},
             "ReplacementEmailContent": {"ReplacementTemplate": {
                 "ReplacementTemplateData": "{\"name\":\"%s\"}"
                 % a.split("@")[0]}}} for a in addresses]})
    assert answer.status == 200, answer
    results = answer.json["BulkEmailEntryResults"]
    assert all(r["Status"] == "SUCCESS" for r in results), results
    return [r["MessageId"] for r in results]


def header(mail, name):
    """One header field's value in octets of a mail."""
    found = re.search(rb"(?mi)^%s: *(.*?)\r?$" % name, mail)
    return found.group(1) if found else None


def self_signed(folder):
    """A server context whose certificate nobody vouches for."""
    key, cert = folder + "/key.pem", folder + "/cert.pem"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                    "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
                    "-subj", "/CN=peer.test", "-keyout", key, "-out", cert],
                   check=True, stdout=subprocess.DEVNULL,
                   stderr=subprocess.DEVNULL)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    return context


def ehlo(*more):
    words = ["peer.test", "PIPELINING", "SIZE 10485760", "8BITMIME",
             "ENHANCEDSTATUSCODES", *more]
    return "\n".join(["250-" + w for w in words[:-1]] + ["250 " + words[-1]])


class OneRoute(unittest.TestCase):
    """POSTRIDER_ROUTE=smtp://…: one peer takes everything. One state
    directory, the service starts anew with each test's settings."""

    @classmethod
    def setUpClass(cls):
        cls.service = Service({"POSTRIDER_RETRY": "1s"})

    @classmethod
    def tearDownClass(cls):
        cls.service.close()

    def serve(self, route, **settings):
        self.service.settings = {"POSTRIDER_RETRY": "1s",
                                 "POSTRIDER_ROUTE": route, **settings}
        self.service.start()
        self.addCleanup(self.service.stop)
        return self.service

    def test_bulk_to_sink(self):
        with Sink(store=True) as sink:
            s = self.serve(sink.route)
            ids = []
            for first in range(0, 200, 50):
                ids += bulk(s, ["u%d@sink.test" % i
                                for i in range(first, first + 50)])
            for message_id in ids:
                self.assertEqual(set(s.states(message_id).values()),
                                 {"delivered"})
            mails = sink.mails()
            self.assertEqual(len(mails), 200)
            self.assertEqual(
                {header(m, b"Subject") for m in mails},
                {b"For u%d" % i for i in range(200)})
            self.assertEqual(len({header(m, b"Message-ID") for m in mails}),
                             200)
            self.assertEqual(s.metric("postrider_possible_duplicates_total"),
                             0)

    def test_connections_are_used_again(self):
        with ScriptedPeer() as peer:
            s = self.serve(peer.route, POSTRIDER_SITE_LIMITS=
                           "connections=1,messages=3")
            ids = bulk(s, ["u%d@peer.test" % i for i in range(10)])
            for message_id in ids:
                s.wait_message(message_id)
            by = collections.Counter(m.connection for m in peer.mails)
            self.assertEqual(list(by.values()), [3, 3, 3, 1])
            self.assertEqual(peer.connections, 4)

    def test_rate(self):
        times = []

        def taken(talk, line):
            times.append(time.monotonic())
            return "250 2.0.0 taken"

        with ScriptedPeer({"body": taken}) as peer:
            s = self.serve(peer.route, POSTRIDER_SITE_LIMITS=
                           "connections=5,rate=5")
            ids = bulk(s, ["u%d@peer.test" % i for i in range(16)])
            for message_id in ids:
                s.wait_message(message_id)
        self.assertEqual(len(times), 16)
        for t in times:
            self.assertLessEqual(
                sum(1 for u in times if t <= u < t + 0.95), 6)
        self.assertGreater(times[-1] - times[0], 2.0)
        self.assertLess(times[-1] - times[0], 6.0)

    def test_expires(self):
        with ScriptedPeer({"rcpt": "451 4.3.0 not now"}) as peer:
            s = self.serve(peer.route, POSTRIDER_LIFETIME="3s")
            message_id = s.send("late@peer.test")
            self.assertEqual(s.states(message_id, 20),
                             {"late@peer.test": "expired"})
            event, = s.wait_events(1, messageId=message_id, type="BOUNCE")
            self.assertEqual(event["event"]["bounce"]["bounceType"],
                             "Transient")
            self.assertEqual(peer.mails, [])


class Scripted(unittest.TestCase):
    """Route mx, one domain and one address of 127.0.0.0/8 for each test."""

    PEERS = 24

    @classmethod
    def setUpClass(cls):
        cls.folder = temporary()
        cls.port = free_port()
        cls.used = 0
        numbers = range(1, cls.PEERS + 1)
        cls.dns = Dns({"mx%d.test" % n: "127.0.9.%d" % n for n in numbers},
                      [("d%d.test" % n, "mx%d.test" % n, 10)
                       for n in numbers])
        cls.service = Service({
            "POSTRIDER_ROUTE": "mx", "POSTRIDER_DNS": cls.dns.address,
            "POSTRIDER_MX_PORT": cls.port, "POSTRIDER_RETRY": "1s",
            "POSTRIDER_NET_ALLOW": "127.0.0.0/8",
            "POSTRIDER_SITE_LIMITS": "connections=2,messages=100"}).start()

    @classmethod
    def tearDownClass(cls):
        cls.service.close()
        cls.dns.close()
        subprocess.run(["rm", "-r", cls.folder], check=True)

    def peer(self, script=None, tls=None):
        """A peer and an address at its domain."""
        type(self).used += 1
        n = type(self).used
        peer = ScriptedPeer(script, "127.0.9.%d" % n, self.port, tls)
        self.addCleanup(peer.close)
        return peer, "to@d%d.test" % n

    def send(self, to):
        return self.service.send(to, sender=SENDER)

    def outcome(self, to, seconds=30):
        """(message id, its recipient when final)."""
        message_id = self.send(to)
        found = self.service.wait_message(message_id, seconds)
        return message_id, found["recipients"][0]

    def attempts(self, recipient):
        return [t for t in recipient["timeline"] if t["type"] == "attempt"]

    def bounce(self, message_id):
        event, = self.service.wait_events(1, messageId=message_id,
                                          type="BOUNCE")
        return event["event"]["bounce"]

    def check_second_try(self, script, first_reply=None, tries=2,
                         text="It works."):
        """It fails once and is delivered then, once."""
        peer, to = self.peer(script)
        message_id = self.service.send(to, sender=SENDER, text=text)
        r = self.service.wait_message(message_id)["recipients"][0]
        self.assertEqual(r["state"], "delivered", r)
        self.assertEqual(len(peer.mails), 1)
        tries_seen = self.attempts(r)
        self.assertEqual(len(tries_seen), tries, tries_seen)
        if tries > 1:
            self.assertEqual(tries_seen[0]["outcome"], "deferred")
        if first_reply:
            self.assertIn(first_reply, tries_seen[0]["reply"])
        return peer, r

    def test_greylisting(self):
        self.check_second_try({"rcpt": greylisting()}, "greylisted")

    def test_421_at_greeting(self):
        self.check_second_try([{"greeting": Close(reply="421 4.3.2 busy")},
                               {}], "421")

    def test_421_at_ehlo(self):
        self.check_second_try([{"ehlo": Close(reply="421 4.3.2 busy"),
                                "helo": Close(reply="421 4.3.2 busy")}, {}],
                              "421")

    def test_421_at_mail(self):
        self.check_second_try([{"mail": Close(reply="421 4.3.2 busy")}, {}],
                              "421")

    def test_421_at_data(self):
        self.check_second_try([{"data": Close(reply="421 4.3.2 busy")}, {}],
                              "421")

    def test_cut_in_data(self):
        before = self.service.metric("postrider_possible_duplicates_total")
        self.check_second_try([{"body": Close(after=20, reset=True)}, {}],
                              text="A long line, again and again.\n" * 250000)
        self.assertEqual(
            self.service.metric("postrider_possible_duplicates_total"), before)

    def test_cut_after_dot(self):
        before = self.service.metric("postrider_possible_duplicates_total")
        peer, to = self.peer([{"body": Close()}, {}])
        _, r = self.outcome(to)
        self.assertEqual(r["state"], "delivered")
        self.assertEqual(len(peer.mails), 2)
        first, second = (header(m.data, b"Message-ID") for m in peer.mails)
        self.assertIsNotNone(first)
        self.assertEqual(first, second)
        self.assertEqual(
            self.service.metric("postrider_possible_duplicates_total"),
            before + 1)
        self.assertIn('cause="after_dot"',
                      self.service.call("GET", "/metrics").text)

    def test_550_at_rcpt(self):
        peer, to = self.peer({"rcpt": "550 5.1.1 no such user"})
        message_id, r = self.outcome(to)
        self.assertEqual(r["state"], "bounced")
        self.assertEqual(peer.mails, [])
        b = self.bounce(message_id)
        self.assertEqual(b["bounceType"], "Permanent")
        self.assertEqual(b["bouncedRecipients"][0]["emailAddress"], to)
        self.assertEqual(b["bouncedRecipients"][0]["status"], "5.1.1")
        self.assertIn("no such user",
                      b["bouncedRecipients"][0]["diagnosticCode"])

    def test_mailbox_full(self):
        peer, to = self.peer({"rcpt": "552 5.2.2 mailbox full"})
        message_id, r = self.outcome(to)
        self.assertEqual(r["state"], "bounced")
        b = self.bounce(message_id)
        self.assertEqual((b["bounceType"], b["bounceSubType"]),
                         ("Transient", "MailboxFull"))

    def test_5xx_at_dot(self):
        peer, to = self.peer({"body": "554 5.6.0 I do not like it"})
        message_id, r = self.outcome(to)
        self.assertEqual(r["state"], "bounced")
        self.assertEqual(len(peer.mails), 1)

    def test_slow_replies(self):
        peer, to = self.peer({
            "greeting": Slow("220 peer.test ESMTP", each=0.02),
            "ehlo": Slow(ehlo(), each=0.01),
            "mail": Slow("250 2.1.0 ok", seconds=0.5),
            "body": Slow("250 2.0.0 taken", seconds=1)})
        _, r = self.outcome(to)
        self.assertEqual(r["state"], "delivered")
        self.assertEqual(len(peer.mails), 1)
        self.assertEqual(len(self.attempts(r)), 1)
        self.assertGreater(self.attempts(r)[0]["durationMs"], 900)

    def test_no_ehlo(self):
        peer, to = self.peer({"ehlo": "500 5.5.1 what"})
        _, r = self.outcome(to)
        self.assertEqual(r["state"], "delivered")
        self.assertIn("HELO", [c[1].split(" ")[0] for c in peer.commands])

    def test_starttls_self_signed(self):
        peer, to = self.peer({"ehlo": ehlo("STARTTLS"),
                              "starttls": "220 2.0.0 go"},
                             self_signed(self.folder))
        _, r = self.outcome(to)
        self.assertEqual(r["state"], "delivered")
        last = self.attempts(r)[-1]
        self.assertTrue(last.get("tls", "").startswith("TLS"), last)
        self.assertEqual(len(peer.mails), 1)

    def test_starttls_refused(self):
        peer, to = self.peer({"ehlo": ehlo("STARTTLS"),
                              "starttls": "454 4.7.0 no certificate today"})
        _, r = self.outcome(to)
        self.assertEqual(r["state"], "delivered")
        self.assertEqual(len(peer.mails), 1)
        self.assertGreaterEqual(peer.mails[0].connection, 2)
        self.assertFalse(self.attempts(r)[-1].get("tls"))
        self.assertEqual(len(self.attempts(r)), 1)

    def test_neighbours_do_not_wait(self):
        """One site that is slow holds nobody else up."""
        _, slow = self.peer({"greeting": Slow("220 hi", seconds=4)})
        _, quick = self.peer()
        first = self.send(slow)
        begun = time.monotonic()
        _, r = self.outcome(quick)
        self.assertEqual(r["state"], "delivered")
        self.assertLess(time.monotonic() - begun, 2)
        self.assertEqual(self.service.states(first), {slow: "delivered"})


if __name__ == "__main__":
    unittest.main()
