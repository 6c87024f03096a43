"""Where mail goes: MX records, and what stands for them when there are none."""
import unittest

from libpeer import Dns, ScriptedPeer, null_mx
from libpostrider import Service, free_port

SANITIZED = True

HOSTS = {"one.test": "127.0.8.1", "two.test": "127.0.8.2",
         "implicit.test": "127.0.8.3", "equal-a.test": "127.0.8.4",
         "equal-b.test": "127.0.8.5"}
MX = [("both.test", "one.test", 10), ("both.test", "two.test", 20),
      ("equal.test", "equal-a.test", 10), ("equal.test", "equal-b.test", 10),
      ("homeless.test", "nowhere.test", 10)]


class Mx(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.port = free_port()
        cls.dns = Dns(HOSTS, MX, more=(null_mx("null.test"),))
        cls.service = Service({
            "POSTRIDER_ROUTE": "mx", "POSTRIDER_DNS": cls.dns.address,
            "POSTRIDER_MX_PORT": cls.port, "POSTRIDER_RETRY": "1s",
            "POSTRIDER_SITE_LIMITS": "connections=1,messages=1",
            "POSTRIDER_NET_ALLOW": "127.0.0.0/8"}).start()

    @classmethod
    def tearDownClass(cls):
        cls.service.close()
        cls.dns.close()

    def peer(self, name, script=None):
        peer = ScriptedPeer(script, HOSTS[name], self.port)
        self.addCleanup(peer.close)
        return peer

    def outcome(self, to, seconds=40):
        message_id = self.service.send(to)
        found = self.service.wait_message(message_id, seconds)
        return message_id, found["recipients"][0]

    def check_bounce(self, to, status, kind, sub):
        message_id, r = self.outcome(to)
        self.assertEqual(r["state"], "bounced", r)
        event, = self.service.wait_events(1, messageId=message_id,
                                          type="BOUNCE")
        b = event["event"]["bounce"]
        self.assertEqual(b["bouncedRecipients"][0]["status"], status, b)
        self.assertEqual((b["bounceType"], b["bounceSubType"]), (kind, sub))

    def test_lowest_preference_first(self):
        one, two = self.peer("one.test"), self.peer("two.test")
        _, r = self.outcome("a@both.test")
        self.assertEqual(r["state"], "delivered")
        self.assertEqual((len(one.mails), len(two.mails)), (1, 0))

    def test_first_refuses_connections(self):
        two = self.peer("two.test")
        _, r = self.outcome("b@both.test")
        self.assertEqual(r["state"], "delivered")
        self.assertEqual(len(two.mails), 1)
        attempts = [t for t in r["timeline"] if t["type"] == "attempt"]
        self.assertEqual(len(attempts), 1)
        self.assertEqual((attempts[0]["mx"], attempts[0]["address"]),
                         ("two.test", "127.0.8.2"))

    def test_equal_preferences_share(self):
        a, b = self.peer("equal-a.test"), self.peer("equal-b.test")
        ids = [self.service.send("u%d@equal.test" % i) for i in range(24)]
        for message_id in ids:
            self.service.wait_message(message_id)
        self.assertEqual(len(a.mails) + len(b.mails), 24)
        self.assertTrue(a.mails and b.mails)

    def test_implicit(self):
        peer = self.peer("implicit.test")
        _, r = self.outcome("a@implicit.test")
        self.assertEqual(r["state"], "delivered")
        self.assertEqual(len(peer.mails), 1)

    def test_null(self):
        self.check_bounce("a@null.test", "5.1.10", "Permanent", "General")

    def test_no_such_domain(self):
        self.check_bounce("a@absent.test", "5.1.2", "Permanent", "General")

    def test_exchange_without_address(self):
        self.check_bounce("a@homeless.test", "5.4.4", "Permanent", "General")

    def test_resolver_that_is_silent(self):
        """Nobody answers: later, not never."""
        self.dns.process.send_signal(19)
        try:
            message_id = self.service.send("late@silent.test")
            found = self.service.get("/api/messages/" + message_id, wait=2)
            self.assertIn(found["recipients"][0]["state"],
                          ("leased", "queued"))
        finally:
            self.dns.process.send_signal(18)


if __name__ == "__main__":
    unittest.main()
