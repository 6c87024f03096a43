"""What the API tests share: the file's service and its clients."""
import itertools
import unittest

from botocore.exceptions import ClientError

from libapi import service

numbers = itertools.count(1)


def fresh(word):
    """A name that no other test of the file uses."""
    return "%s-%d" % (word, next(numbers))


def simple(subject="Hello", text="It works."):
    return {"Simple": {"Subject": {"Data": subject},
                       "Body": {"Text": {"Data": text}}}}


def mail(**changes):
    """A good SendEmail body; a member set to None is left out."""
    body = {"FromEmailAddress": "sender@example.com",
            "Destination": {"ToAddresses": ["reader@example.org"]},
            "Content": simple()}
    body.update(changes)
    return {k: v for k, v in body.items() if v is not None}


class ApiCase(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.s = service()
        cls.v2 = cls.s.boto("sesv2")
        cls.v1 = cls.s.boto("ses")

    def refused(self, code, call, *args, **kwargs):
        """The ClientError of a call that must fail with this code."""
        with self.assertRaises(ClientError) as caught:
            call(*args, **kwargs)
        self.assertEqual(caught.exception.response["Error"]["Code"], code,
                         caught.exception)
        return caught.exception

    def words(self, error):
        return error.response["Error"]["Message"]

    def status(self, error):
        return error.response["ResponseMetadata"]["HTTPStatusCode"]

    def error(self, answer, status, code):
        """A SES v2 or native error in all its parts."""
        self.assertEqual(answer.status, status, answer)
        self.assertEqual(answer.headers["x-amzn-ErrorType"], code, answer)
        body = answer.json
        self.assertEqual(body["code"], code.replace("Exception", ""))
        self.assertTrue(body["message"])
        self.assertEqual(body["requestId"], answer.headers["x-amzn-RequestId"])
        return body["message"]

    def send_v2(self, body, **headers):
        return self.s.call("POST", "/v2/email/outbound-emails", body,
                           {k.replace("_", "-"): v for k, v in headers.items()})

    def new_template(self, subject="Hi {{name}}", text="Dear {{name}}",
                     **more):
        name = fresh("template")
        self.v2.create_email_template(
            TemplateName=name,
            TemplateContent=dict({"Subject": subject, "Text": text}, **more))
        return name
