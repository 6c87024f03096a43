"""The peers themselves: a test that trusts them wants to know that they
work."""
import smtplib
import socket
import unittest

from libpeer import (Close, Dns, Postfix, ScriptedPeer, Silence, Sink, Slow,
                     greylisting, null_mx)
from libpostrider import IS_ROOT, LOOPBACK, wait_until

MAIL = "Subject: one\r\n\r\nfirst\r\n.dot\r\n"


def send(port, to="to@peer.test"):
    with smtplib.SMTP(LOOPBACK, port, timeout=10) as s:
        s.sendmail("from@example.com", [to], MAIL)


class Scripted(unittest.TestCase):
    def test_records_octets(self):
        with ScriptedPeer() as peer:
            send(peer.port)
            mail, = peer.wait_mails(1)
        self.assertEqual(mail.data, MAIL.encode())
        self.assertEqual((mail.sender, mail.recipients),
                         ("from@example.com", ["to@peer.test"]))
        self.assertEqual(mail.reply, "250 2.0.0 taken")

    def test_second_connection_has_its_own_script(self):
        with ScriptedPeer([{"mail": "421 4.3.2 later"}, {}]) as peer:
            with self.assertRaises(smtplib.SMTPException):
                send(peer.port)
            send(peer.port)
            self.assertEqual(len(peer.mails), 1)

    def test_greylisting_refuses_once(self):
        with ScriptedPeer({"rcpt": greylisting()}) as peer:
            with self.assertRaises(smtplib.SMTPRecipientsRefused):
                send(peer.port)
            send(peer.port)

    def test_cut_in_data(self):
        with ScriptedPeer({"body": Close(after=5)}) as peer:
            with self.assertRaises((smtplib.SMTPException, OSError)):
                send(peer.port)
            self.assertEqual(peer.mails, [])

    def test_cut_after_dot_is_recorded_without_reply(self):
        with ScriptedPeer({"body": Close()}) as peer:
            with self.assertRaises((smtplib.SMTPException, OSError)):
                send(peer.port)
            self.assertIsNone(peer.wait_mails(1)[0].reply)

    def test_silence_and_slow(self):
        with ScriptedPeer([{"greeting": Silence()},
                           {"greeting": Slow("220 hi", each=0.01)}]) as peer:
            with self.assertRaises((socket.timeout, OSError)):
                smtplib.SMTP(LOOPBACK, peer.port, timeout=0.3)
            send(peer.port)


class Real(unittest.TestCase):
    def test_sink_stores(self):
        with Sink(store=True) as sink:
            send(sink.port)
            wait_until(sink.mails, 5)
            self.assertIn(b"first", sink.mails()[0])

    @unittest.skipUnless(IS_ROOT, "Postfix needs root")
    def test_postfix_keeps(self):
        with Postfix() as postfix:
            send(postfix.port, "who@anywhere.test")
            self.assertIn(b"first", postfix.wait_mails(1)[0])

    @unittest.skipUnless(IS_ROOT, "Postfix needs root")
    def test_postfix_relays(self):
        with Sink(store=True) as sink, \
                Postfix(relay=(LOOPBACK, sink.port)) as postfix:
            send(postfix.port, "who@anywhere.test")
            wait_until(sink.mails, 15)

    def test_dns(self):
        with Dns({"mx1.test": LOOPBACK}, [("one.test", "mx1.test", 10)],
                 more=[null_mx("null.test")]) as dns:
            self.assertEqual(mx_answer(dns.port, "one.test")[0], 1)
            count, octets = mx_answer(dns.port, "null.test")
            self.assertEqual(count, 1)
            self.assertTrue(octets.endswith(b"\0\3\0\0\0"))


def mx_answer(port, name):
    """(answers, octets) for an MX question, by hand."""
    question = b"\0\7\1\0\0\1\0\0\0\0\0\0" + b"".join(
        bytes([len(p)]) + p.encode() for p in name.split(".")) + \
        b"\0\0\17\0\1"
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
        s.settimeout(5)
        s.sendto(question, (LOOPBACK, port))
        octets = s.recv(2048)
    return int.from_bytes(octets[6:8], "big"), octets


if __name__ == "__main__":
    unittest.main()
