"""A real Postfix takes what we send."""
import email
import email.policy
import unittest

from libpeer import Postfix
from libpostrider import IS_ROOT, Service


@unittest.skipUnless(IS_ROOT, "a Postfix of our own needs root")
class RealPostfix(unittest.TestCase):
    def test_twenty_mails(self):
        with Postfix() as postfix, \
                Service({"POSTRIDER_ROUTE": postfix.route}) as s:
            text = "Grüße, Nummer %d.\n.\n..two dots\n"
            ids = [s.send("u%d@anywhere.test" % i, "Zahl %d: äöü" % i,
                          text % i) for i in range(20)]
            for message_id in ids:
                self.assertEqual(set(s.states(message_id).values()),
                                 {"delivered"})
            mails = [email.message_from_bytes(m, policy=email.policy.default)
                     for m in postfix.wait_mails(20)]
            self.assertEqual(len(mails), 20)
            self.assertEqual({m["Subject"] for m in mails},
                             {"Zahl %d: äöü" % i for i in range(20)})
            for m in mails:
                n = int(m["Subject"].split(":")[0].split()[1])
                self.assertEqual(m.get_content().replace("\r\n", "\n"),
                                 text % n)
                self.assertFalse(m.defects)


if __name__ == "__main__":
    unittest.main()
