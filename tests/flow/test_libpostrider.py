"""The harness itself, and with it one mail over every road: bearer, boto3, AWS
CLI; to the sandbox, a scripted peer, smtp-sink and a real Postfix."""
import unittest

from libpeer import Postfix, ScriptedPeer, Sink, greylisting
from libpostrider import IS_ROOT, Service, command, wait_until

SANITIZED = True


class Harness(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.service = Service().start()

    @classmethod
    def tearDownClass(cls):
        cls.service.close()

    def test_bearer_to_sandbox(self):
        s = self.service
        mail = s.send("bearer@example.com", subject="Bearer")
        self.assertEqual(s.states(mail), {"bearer@example.com": "delivered"})
        item = s.sandbox(recipient="bearer@example.com")[0]
        self.assertIn(b"Subject: Bearer", s.sandbox_raw(item))
        s.wait_events(2, messageId=mail)

    def test_boto3(self):
        answer = self.service.boto().send_email(
            FromEmailAddress="sender@example.com",
            Destination={"ToAddresses": ["boto@example.com"]},
            Content={"Simple": {"Subject": {"Data": "s"},
                                "Body": {"Text": {"Data": "t"}}}})
        self.service.wait_message(answer["MessageId"])

    def test_aws_cli(self):
        status, out, err = self.service.aws("sesv2", "get-account")
        self.assertEqual((status, err), (0, ""))
        self.assertIn("SendQuota", out)

    def test_psql(self):
        self.assertEqual(self.service.psql("SELECT 1, 2"), [["1", "2"]])

    def test_command(self):
        self.assertEqual(command("version").returncode, 0)
        self.assertEqual(command("serve", "--nonsense").returncode, 2)


class Roads(unittest.TestCase):
    def delivered(self, route, **settings):
        """One mail to that route; its final state."""
        settings.update(POSTRIDER_ROUTE=route, POSTRIDER_RETRY="1s,1s")
        with Service(settings) as s:
            return list(s.states(s.send("to@peer.test")).values())

    def test_scripted_peer_greylists(self):
        with ScriptedPeer({"rcpt": greylisting()}) as peer:
            self.assertEqual(self.delivered(peer.route), ["delivered"])
            self.assertEqual(len(peer.mails), 1)

    def test_smtp_sink(self):
        with Sink(store=True) as sink:
            self.assertEqual(self.delivered(sink.route), ["delivered"])
            self.assertIn(b"It works.", sink.mails()[0])

    @unittest.skipUnless(IS_ROOT, "Postfix needs root")
    def test_postfix(self):
        with Postfix() as postfix:
            self.assertEqual(self.delivered(postfix.route), ["delivered"])
            self.assertIn(b"It works.", postfix.wait_mails(1)[0])

    def test_killed_and_started_again(self):
        # Killed behind the final dot it is unknown, and tried again.
        s = Service({"POSTRIDER_RETRY": "1s,1s"})
        try:
            s.start()
            mail = s.send("before@example.com")
            s.kill()
            wait_until(lambda: not s.postgres_pid(), 30,
                       what="the cluster's end")
            s.restart()
            self.assertEqual(s.states(mail),
                             {"before@example.com": "delivered"})
            self.assertEqual(s.stop(), 0)
        finally:
            s.close()


if __name__ == "__main__":
    unittest.main()
