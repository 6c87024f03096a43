"""Every operation that Amazon's models know has an answer."""
import re
import unittest
import urllib.parse

import botocore.session

from apicase import ApiCase

V1 = 71
SENTENCE = "is not offered by this version of Postrider."


def model(name):
    return botocore.session.get_session().get_service_model(name)


class Routes(ApiCase):
    def test_v2(self):
        service = model("sesv2")
        built = 0
        for name in service.operation_names:
            http = service.operation_model(name).http
            path = re.sub(r"\{[^}]*\}", "nobody", http["requestUri"])
            body = None if http["method"] in ("GET", "DELETE") else {}
            with self.subTest(name):
                answer = self.s.call(http["method"], path, body)
                self.assertNotEqual(answer.headers["x-amzn-ErrorType"],
                                    "UnknownOperationException", answer)
                self.assertIn(answer.status, (200, 400, 404), answer)
                if answer.status != 200 and SENTENCE in answer.text:
                    self.assertEqual(self.error(
                        answer, 400, "BadRequestException"),
                        "%s %s" % (name, SENTENCE))
                else:
                    built += 1
        self.assertGreaterEqual(built, 15)

    def test_v1(self):
        names = model("ses").operation_names
        self.assertEqual(len(names), V1)
        for name in names:
            with self.subTest(name):
                answer = self.s.call("POST", "/", urllib.parse.urlencode(
                    {"Action": name, "Version": "2010-12-01"}), {
                        "Content-Type": "application/x-www-form-urlencoded"})
                self.assertEqual(answer.status, 400, answer)
                if name in ("SendEmail", "SendTemplatedEmail"):
                    self.assertIn("<Code>MissingParameter</Code>", answer.text)
                else:
                    self.assertIn("<Code>InvalidAction</Code>", answer.text)
                    self.assertIn("%s %s" % (name, SENTENCE), answer.text)

    def test_unknown_path(self):
        for path in ("/v2/email/nothing", "/api/nothing"):
            with self.subTest(path):
                answer = self.s.call("GET", path)
                self.assertEqual(answer.status, 404, answer)
                self.assertIn("message", answer.json)

    def test_other_method(self):
        answer = self.s.call("PATCH", "/v2/email/account")
        self.assertEqual(answer.status, 405, answer)
        self.assertIn("GET", answer.headers["Allow"])
        self.assertIn("message", answer.json)

    def test_trailing_slash(self):
        self.assertEqual(self.s.call("GET", "/v2/email/account/").status, 200)

    def test_older_path_of_lists(self):
        for path in ("identities", "configuration-sets"):
            self.assertEqual(self.s.call("GET", "/v2/email/" + path).status,
                             200)

    def test_gzip_is_refused(self):
        answer = self.s.call("POST", "/v2/email/templates", b"x", {
            "Content-Encoding": "gzip"})
        self.assertEqual(answer.status, 415, answer)

    def test_public(self):
        self.assertEqual(self.s.call("GET", "/healthz").status, 200)
        self.assertEqual(self.s.call("GET", "/readyz").status, 200)
        self.assertIn("# TYPE", self.s.call("GET", "/metrics").text)


if __name__ == "__main__":
    unittest.main()
