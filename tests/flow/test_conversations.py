#!/usr/bin/python3
"""Delivery to peers that behave, and to peers that do not."""
import unittest

from libpeer import Close, Dns, ScriptedPeer, Sink, greylisting, null_mx
from libpostrider import Service

FAST = {"POSTRIDER_RETRY": "1s,1s"}


class Conversations(unittest.TestCase):
    def one(self, script, **settings):
        """One mail to a peer: its recipient, its events, the peer."""
        with ScriptedPeer(script) as peer, Service(dict(
                FAST, POSTRIDER_ROUTE=peer.route, **settings)) as s:
            mid = s.send("x@example.org")
            message = s.wait_message(mid)
            return message["recipients"][0], s.events(messageId=mid), peer

    def check(self, script, state, attempts=None, mails=None):
        got, events, peer = self.one(script)
        self.assertEqual(got["state"], state, got)
        if attempts is not None:
            self.assertEqual(got["attempts"], attempts, got)
        if mails is not None:
            whole = [m for m in peer.mails if m.recipients]
            self.assertEqual(len(whole), mails)
        return got, events, peer

    def test_sink_gets_all(self):
        with Sink() as sink, Service(dict(
                FAST, POSTRIDER_ROUTE=sink.route)) as s:
            ids = [s.send(f"u{i}@example.org") for i in range(100)]
            for mid in ids:
                self.assertEqual(list(s.states(mid).values()), ["delivered"])

    def test_greylisting(self):
        self.check({"rcpt": greylisting()}, "delivered", 2, 1)

    def test_unknown_user(self):
        got, events, peer = self.check(
            {"rcpt": "550 5.1.1 no such user"}, "bounced", 1, 0)
        bounce = [e for e in events if e["type"] == "BOUNCE"][0]["event"]
        self.assertEqual(bounce["bounce"]["bounceType"], "Permanent")
        self.assertEqual(bounce["bounce"]["bouncedRecipients"][0]["status"],
                         "5.1.1")

    def test_mailbox_full(self):
        got, events, peer = self.check(
            {"body": "552 5.2.2 full"}, "bounced", 1)
        bounce = [e for e in events if e["type"] == "BOUNCE"][0]["event"]
        self.assertEqual(bounce["bounce"]["bounceSubType"], "MailboxFull")

    def test_421_then_good(self):
        for state in ("greeting", "mail", "data"):
            with self.subTest(state):
                self.check([{state: Close(reply="421 4.3.2 later")}, {}],
                           "delivered", mails=1)

    def test_cut_in_data(self):
        self.check([{"body": Close(after=20)}, {}], "delivered", 2, 1)

    def test_cut_after_the_dot(self):
        got, events, peer = self.check([{"body": Close()}, {}], "delivered", 2, 2)
        ids = {line for m in peer.mails for line in m.data.split(b"\r\n")
               if line.lower().startswith(b"message-id:")}
        self.assertEqual(len(ids), 1)       # both copies are one mail

    def test_helo_only(self):
        self.check({"ehlo": "502 5.5.1 no"}, "delivered", 1, 1)

    def test_nothing_listens(self):
        with Service(dict(FAST, POSTRIDER_ROUTE="smtp://127.0.0.1:1",
                          POSTRIDER_LIFETIME="3s")) as s:
            mid = s.send("x@example.org")
            self.assertEqual(list(s.states(mid).values()), ["expired"])
            bounce = s.wait_events(1, messageId=mid, type="BOUNCE")[0]
            self.assertEqual(bounce["event"]["bounce"]["bounceType"],
                             "Transient")

    def test_limits_of_a_connection(self):
        with ScriptedPeer() as peer, Service(dict(
                FAST, POSTRIDER_ROUTE=peer.route,
                POSTRIDER_SITE_LIMITS="connections=1,messages=3")) as s:
            ids = [s.send(f"u{i}@example.org") for i in range(9)]
            for mid in ids:
                self.assertEqual(list(s.states(mid).values()), ["delivered"])
            self.assertEqual(peer.connections, 3)


class Routes(unittest.TestCase):
    def test_mx(self):
        with ScriptedPeer(host="127.0.0.2") as peer, Dns(
                hosts={"mx1.a.test": "127.0.0.3", "mx2.a.test": "127.0.0.2",
                       "b.test": "127.0.0.2"},
                mx=[("a.test", "mx1.a.test", 10), ("a.test", "mx2.a.test", 20)],
                more=[null_mx("null.test")]) as dns, Service(dict(
                    FAST, POSTRIDER_ROUTE="mx", POSTRIDER_DNS=dns.address,
                    POSTRIDER_MX_PORT=str(peer.port))) as s:
            second = s.send("x@a.test")
            implicit = s.send("x@b.test")
            nobody = s.send("x@none.test")
            self.assertEqual(list(s.states(second).values()), ["delivered"])
            self.assertEqual(list(s.states(implicit).values()), ["delivered"])
            self.assertEqual(list(s.states(nobody).values()), ["bounced"])
            reply = s.message(nobody)["recipients"][0]["lastReply"]
            self.assertTrue(reply.startswith("5.1.2"), reply)


if __name__ == "__main__":
    unittest.main()
