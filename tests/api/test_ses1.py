"""SES v1 (Query, XML) by boto3, and what a form may hold."""
import unittest
import urllib.parse
import xml.etree.ElementTree

from apicase import ApiCase

SPACE = "{http://ses.amazonaws.com/doc/2010-12-01/}"
MAIL = {"Action": "SendEmail", "Version": "2010-12-01",
        "Source": "sender@example.com",
        "Destination.ToAddresses.member.1": "form@example.org",
        "Message.Subject.Data": "Form", "Message.Body.Text.Data": "t"}


class Query(ApiCase):
    def form(self, fields, **headers):
        body = urllib.parse.urlencode(fields)
        return self.s.call("POST", "/", body, dict({
            "Content-Type": "application/x-www-form-urlencoded"}, **headers))

    def form_refused(self, fields, code, status=400):
        answer = self.form(fields)
        self.assertEqual(answer.status, status, answer)
        self.assertTrue(answer.headers["Content-Type"].startswith("text/xml"))
        root = xml.etree.ElementTree.fromstring(answer.body)
        self.assertEqual(root.tag, SPACE + "ErrorResponse")
        error = root.find(SPACE + "Error")
        self.assertEqual(error.find(SPACE + "Type").text, "Sender")
        self.assertEqual(error.find(SPACE + "Code").text, code, answer)
        self.assertEqual(root.find(SPACE + "RequestId").text,
                         answer.headers["x-amzn-RequestId"])
        return error.find(SPACE + "Message").text

    def with_fields(self, **changes):
        fields = dict(MAIL)
        for name, value in changes.items():
            fields[name.replace("_", ".")] = value
        return {k: v for k, v in fields.items() if v is not None}

    def test_send_email(self):
        answer = self.v1.send_email(
            Source="Ann <ann@example.com>",
            Destination={"ToAddresses": ["v1@example.org"],
                         "CcAddresses": ["v1-copy@example.org"]},
            Message={"Subject": {"Data": "Old & <good>"},
                     "Body": {"Text": {"Data": "plain ü"},
                              "Html": {"Data": "<p>rich</p>"}}},
            Tags=[{"Name": "kind", "Value": "v1"}])
        found = self.s.wait_message(answer["MessageId"])
        self.assertEqual(found["source"], "v1")
        self.assertEqual(found["tags"]["kind"], ["v1"])
        item = self.s.sandbox(recipient="v1@example.org")[0]
        got = self.s.get("/api/sandbox/messages/" + item["id"])
        self.assertEqual(got["subject"], "Old & <good>")
        self.assertEqual(got["text"].strip(), "plain ü")

    def test_send_templated_email(self):
        name = self.new_template()
        answer = self.v1.send_templated_email(
            Source="ann@example.com",
            Destination={"ToAddresses": ["v1-template@example.org"]},
            Template=name, TemplateData='{"name": "Cy"}')
        self.s.wait_message(answer["MessageId"])
        item = self.s.sandbox(recipient="v1-template@example.org")[0]
        self.assertEqual(item["subject"], "Hi Cy")

    def test_template_absent(self):
        e = self.refused(
            "TemplateDoesNotExist", self.v1.send_templated_email,
            Source="ann@example.com", Destination={"ToAddresses": ["a@b.com"]},
            Template="Nobody", TemplateData="{}")
        self.assertEqual(self.words(e), "Template Nobody does not exist.")

    def test_not_offered(self):
        e = self.refused("InvalidAction", self.v1.get_send_quota)
        self.assertEqual(self.status(e), 400)
        self.assertTrue(self.words(e).endswith(
            "is not offered by this version of Postrider."), e)

    def test_unverified(self):
        words = self.form_refused(self.with_fields(Source="invalid@invalid"),
                                  "MessageRejected")
        self.assertTrue(words.startswith("Email address is not verified."))

    def test_configuration_set(self):
        self.form_refused(self.with_fields(ConfigurationSetName="nobody"),
                          "ConfigurationSetDoesNotExist")

    def test_action_and_version(self):
        self.form_refused({"Version": "2010-12-01"}, "MissingAction")
        self.form_refused({"Action": "Fly", "Version": "2010-12-01"},
                          "InvalidAction")
        self.form_refused(dict(MAIL, Version="1999-01-01"), "NoSuchVersion")

    def test_missing(self):
        for name in ("Source", "Message.Subject.Data"):
            fields = {k: v for k, v in MAIL.items() if k != name}
            with self.subTest(name):
                self.form_refused(fields, "MissingParameter")

    def test_bad_values(self):
        to = "Destination.ToAddresses.member."
        for name, value in ((to + "1", "nobody"), (to + "1", "a@b@c.com"),
                            (to + "1", "a@example.org\r\nBcc: b@c.com"),
                            (to + "1", "a@[127.0.0.1]"),
                            (to + "1", "a@localhost"),
                            (to + "0", "a@example.org"),
                            (to + "-1", "a@example.org"),
                            (to + "999999999", "a@example.org"),
                            ("Message.Subject.Data", "a\0b"),
                            ("Message.Subject.Data", "a\r\nBcc: b@c.com")):
            with self.subTest("%s=%r" % (name, value)):
                self.form_refused(dict(MAIL, **{name: value}),
                                  "InvalidParameterValue")

    def test_recipients(self):
        many = {"Destination.ToAddresses.member.%d" % i: "a%d@b.com" % i
                for i in range(1, 52)}
        words = self.form_refused(dict(MAIL, **many), "InvalidParameterValue")
        self.assertEqual(words, "Recipient count exceeds 50.")
        none = {k: v for k, v in MAIL.items() if "Destination" not in k}
        self.form_refused(none, "InvalidParameterValue")

    def test_not_a_form(self):
        answer = self.s.call("POST", "/", b"Action=SendEmail&Source=%zz", {
            "Content-Type": "application/x-www-form-urlencoded"})
        self.assertEqual(answer.status, 400, answer)
        self.assertIn("<Code>MalformedQueryString</Code>", answer.text)

    def test_idempotency(self):
        key = {"Idempotency-Key": "v1-key"}
        first = self.form(MAIL, **key)
        self.assertEqual(first.status, 200, first)
        self.assertIsNone(first.headers["Idempotent-Replayed"])
        # The order of a form's members is not its content.
        again = self.form(dict(reversed(MAIL.items())), **key)
        self.assertEqual(again.headers["Idempotent-Replayed"], "true")

        def message_id(a):
            return xml.etree.ElementTree.fromstring(a.body).find(
                ".//" + SPACE + "MessageId").text

        self.assertEqual(message_id(first), message_id(again))
        other = self.form(dict(MAIL, Source="other@example.com"), **key)
        self.assertIn(other.status, (400, 409), other)
        self.s.wait_message(message_id(first))
        mails = self.s.sandbox(messageId=message_id(first))
        self.assertEqual(len(mails), 1)


if __name__ == "__main__":
    unittest.main()
