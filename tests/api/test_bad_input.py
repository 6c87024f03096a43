"""Bad bodies, fields, names and pages; nothing of it is accepted."""
import base64
import concurrent.futures
import json
import os
import unittest
import urllib.parse

from apicase import ApiCase, fresh, mail, simple
from libapi import Service

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(
    os.path.abspath(__file__))))
TESTDATA = os.environ.get("TESTDATA",
                          os.path.join(ROOT, "..", "shared", "testdata"))
BAD = "BadRequestException"
SYNTAX = "SerializationException"


def to(*addresses):
    return {"Destination": {"ToAddresses": list(addresses)}}


def header(name, value):
    content = simple()
    content["Simple"]["Headers"] = [{"Name": name, "Value": value}]
    return {"Content": content}


def tags(*pairs):
    return {"EmailTags": [{"Name": n, "Value": v} for n, v in pairs]}


def template(**more):
    return {"Content": {"Template": more}}


OWNED = ("From", "To", "Bcc", "Date", "Message-ID", "DKIM-Signature",
         "Received", "Return-Path", "Content-Type",
         "Content-Transfer-Encoding", "MIME-Version")

# (what, changes of a good mail, text of the answer or None)
FIELDS = [
    ("no domain", to("a@"), "Missing domain"),
    ("no at", to("nobody"), "Missing final '@domain'"),
    ("two at", to("a@b@example.org"), None),
    ("empty address", to(""), None),
    ("control", to("a\x01@example.org"), None),
    ("two mailboxes", to("a@example.org, b@example.org"), None),
    ("group", to("friends: a@example.org;"), None),
    ("literal", to("a@[127.0.0.1]"), None),
    ("single label", to("a@localhost"), None),
    ("all numeric", to("a@127.0.0.1"), None),
    ("LF in To", to("a@example.org\nBcc: b@example.org"), None),
    ("NUL in To", to("a\0@example.org"), None),
    ("CR LF in From",
     {"FromEmailAddress": "a@example.com\r\nBcc: b@example.org"}, None),
    ("LF in name of From",
     {"FromEmailAddress": "A\nBcc: x <a@example.com>"}, None),
    ("LF in Cc", {"Destination": {"CcAddresses": ["a@b.com\nX: y"]}}, None),
    ("LF in Bcc", {"Destination": {"BccAddresses": ["a@b.com\nX: y"]}}, None),
    ("LF in ReplyTo", {"ReplyToAddresses": ["a@b.com\r\nX: y"]}, None),
    ("LF in feedback address",
     {"FeedbackForwardingEmailAddress": "a@b.com\r\nX: y"}, None),
    ("LF in subject", {"Content": simple("a\r\nBcc: b@c.com")}, None),
    ("NUL in subject", {"Content": simple("a\0b")}, None),
    ("NUL in text", {"Content": simple("s", "a\0b")}, None),
    ("LF in header value", header("X-A", "a\r\nBcc: b@c.com"), None),
    ("LF in header name", header("X-A\r\nBcc", "b@c.com"), None),
    ("colon in header name", header("X-A:", "b"), None),
    ("51 recipients", to(*["r%d@example.org" % i for i in range(51)]),
     "Recipient count exceeds 50."),
    ("no recipient", to(), None),
    ("no destination", {"Destination": None}, None),
    ("no content", {"Content": {}}, None),
    ("no Content at all", {"Content": None}, None),
    ("two contents", {"Content": dict(simple(), Template={
        "TemplateName": "x"})}, None),
    ("no sender", {"FromEmailAddress": None}, None),
    ("16 headers", {"Content": {"Simple": dict(simple()["Simple"], Headers=[
        {"Name": "X-%d" % i, "Value": "v"} for i in range(16)])}}, None),
    ("tag with a space", tags(("a b", "v")), None),
    ("tag value with a space", tags(("a", "v w")), None),
    ("tag without a name", tags(("", "v")), "The tag name must be specified."),
    ("tag without a value", tags(("a", "")),
     "The tag value must be specified."),
    ("tag twice", tags(("a", "v"), ("a", "w")), None),
    ("tag name too long", tags(("a" * 256, "v")),
     "Tag name cannot exceed 255 characters."),
    ("tag value too long", tags(("a", "v" * 256)),
     "Tag value cannot exceed 255 characters."),
    ("51 tags", tags(*[("n%d" % i, "v") for i in range(51)]), None),
    ("LF in tag", tags(("a\n", "v")), None),
] + [("header " + name, header(name, "x"), None) for name in OWNED]

# The body as it stands on the wire
BODIES = [
    ("array", "[]"), ("string", '"x"'), ("number", "1"), ("cut", '{"a":'),
    ("trailing text", "{} x"), ("two documents", "{}{}"),
    ("comment", "{/*x*/}"), ("single quotes", "{'a':1}"),
    ("NaN", '{"a":NaN}'), ("trailing comma", '{"a":1,}'),
    ("invalid UTF-8", b'{"FromEmailAddress":"\xff"}'),
    ("overlong", b'{"FromEmailAddress":"\xc0\xaf"}'),
    ("lone surrogate", '{"FromEmailAddress":"\\ud800"}'),
    ("raw control octet", b'{"FromEmailAddress":"\x01"}'),
    ("key twice", '{"a":1,"a":2}'),
    ("65 deep", '{"a":' + "[" * 65 + "]" * 65 + "}"),
    ("number for a text", '{"FromEmailAddress":1}'),
    ("text for a list",
     '{"Content":{},"Destination":{"ToAddresses":"a@b.com"}}'),
    ("list for an object", '{"Content":[]}'),
]


class Fields(ApiCase):
    def setUp(self):
        self.before = self.count()

    def tearDown(self):
        self.assertEqual(self.count(), self.before, "something was accepted")

    def count(self):
        return len(self.s.all_items("/api/messages"))

    def test_bodies(self):
        for what, body in BODIES:
            with self.subTest(what):
                answer = self.s.call(
                    "POST", "/v2/email/outbound-emails", body,
                    {"Content-Type": "application/json"})
                self.error(answer, 400, SYNTAX)

    def test_10001_members(self):
        body = json.dumps({"k%d" % i: i for i in range(10001)})
        answer = self.s.call("POST", "/v2/email/outbound-emails", body)
        self.assertEqual(answer.status, 400, answer)

    def test_fields(self):
        for what, changes, text in FIELDS:
            with self.subTest(what):
                answer = self.send_v2(mail(**changes))
                message = self.error(answer, 400, BAD)
                if text:
                    self.assertIn(text, message)
                for octet in range(32):
                    self.assertNotIn(chr(octet), message)
                self.assertLess(len(message), 500)

    def test_sender_is_checked_first(self):
        answer = self.send_v2(mail(FromEmailAddress="invalid@invalid",
                                   **to("nobody")))
        self.error(answer, 400, "MessageRejected")

    def test_template_data(self):
        name = self.new_template()
        for what, data in (("not JSON", "{"), ("list", "[]"),
                           ("long", json.dumps({"a": "x" * 262144}))):
            with self.subTest(what):
                answer = self.send_v2(mail(**template(
                    TemplateName=name, TemplateData=data)))
                self.error(answer, 400, BAD)

    def test_bulk_sizes(self):
        name = self.new_template()
        entry = {"Destination": {"ToAddresses": ["a@example.org"]}}
        for n in (0, 51):
            with self.subTest(n):
                answer = self.s.call(
                    "POST", "/v2/email/outbound-bulk-emails", {
                        "FromEmailAddress": "a@example.com",
                        "DefaultContent": {"Template": {
                            "TemplateName": name, "TemplateData": "{}"}},
                        "BulkEmailEntries": [entry] * n})
                self.error(answer, 400, BAD)


class Accepted(ApiCase):
    def test_unknown_and_null_members(self):
        body = mail(Nobody={"a": 1})
        body["ConfigurationSetName"] = None
        answer = self.send_v2(body)
        self.assertEqual(answer.status, 200, answer)

    def test_own_limits(self):
        body = mail(**tags(*[("n%d" % i, "v") for i in range(50)]))
        body["Destination"] = {"ToAddresses": ["r%d@limits.example" % i
                                               for i in range(50)]}
        answer = self.send_v2(body)
        self.assertEqual(answer.status, 200, answer)


class Names(ApiCase):
    def test_bad_names(self):
        content = {"Subject": "s", "Text": "t"}
        for name in ("", "a/b", "..", "a b", "a\x01b", "a\0b", "x" * 300):
            with self.subTest(repr(name[:10])):
                answer = self.s.call("POST", "/v2/email/templates", {
                    "TemplateName": name, "TemplateContent": content})
                self.error(answer, 400, BAD)
                answer = self.s.call("POST", "/v2/email/configuration-sets", {
                    "ConfigurationSetName": name})
                self.error(answer, 400, BAD)

    def test_encoded_slash_is_one_label(self):
        answer = self.s.call("GET", "/v2/email/templates/a%2Fb")
        self.assertIn(answer.status, (400, 404), answer)
        self.assertNotEqual(answer.headers["x-amzn-ErrorType"],
                            "UnknownOperationException")

    def test_pages(self):
        for path in ("templates", "configuration-sets", "identities"):
            for query in ("PageSize=-1", "PageSize=x", "PageSize=100000",
                          "NextToken=nobody"):
                with self.subTest("%s?%s" % (path, query)):
                    answer = self.s.call("GET", "/v2/email/%s?%s"
                                         % (path, query))
                    self.error(answer, 400, BAD)

    def test_token_of_another_list(self):
        for _ in range(2):
            self.new_template()
        page = self.v2.list_email_templates(PageSize=1)
        answer = self.s.call(
            "GET", "/v2/email/configuration-sets?" + urllib.parse.urlencode(
                {"NextToken": page["NextToken"]}))
        self.error(answer, 400, BAD)

    def test_creates_at_once(self):
        for path, body in (
                ("templates", {"TemplateName": fresh("race"),
                               "TemplateContent": {"Subject": "s",
                                                   "Text": "t"}}),
                ("configuration-sets", {"ConfigurationSetName":
                                        fresh("race")}),
                ("identities", {"EmailIdentity": fresh("race") +
                                ".example"})):
            with self.subTest(path), \
                    concurrent.futures.ThreadPoolExecutor(6) as pool:
                answers = list(pool.map(lambda _, p=path, b=body: self.s.call(
                    "POST", "/v2/email/" + p, b), range(6)))
                kinds = sorted(a.headers["x-amzn-ErrorType"] or ""
                               for a in answers)
                self.assertEqual(kinds, [""] + ["AlreadyExistsException"] * 5)


class Quotas(unittest.TestCase):
    def test_rate(self):
        with Service({"POSTRIDER_MAX_SEND_RATE": "1"}) as s:
            answers = [s.call("POST", "/v2/email/outbound-emails", mail())
                       for _ in range(12)]
            self.assertEqual(answers[0].status, 200, answers[0])
            late = [a for a in answers if a.status != 200]
            self.assertTrue(late)
            for a in late:
                self.assertEqual(a.status, 429)
                self.assertEqual(a.json["message"],
                                 "Maximum sending rate exceeded.")
            good = len(answers) - len(late)
            self.assertEqual(len(s.all_items("/api/messages")), good)

    def test_day(self):
        with Service({"POSTRIDER_MAX_24_HOUR_SEND": "2"}) as s:
            codes = []
            for _ in range(3):
                answer = s.call("POST", "/v2/email/outbound-emails", mail())
                codes.append(answer.status)
            self.assertEqual(codes, [200, 200, 429])
            self.assertEqual(answer.json["message"],
                             "Daily message quota exceeded.")
            self.assertEqual(answer.headers["x-amzn-ErrorType"],
                             "TooManyRequestsException")
            quota = s.boto().get_account()["SendQuota"]
            self.assertEqual(quota["Max24HourSend"], 2)
            self.assertEqual(quota["SentLast24Hours"], 2)


@unittest.skipUnless(os.path.isdir(TESTDATA), "no shared vectors")
class Vectors(ApiCase):
    def made(self, body):
        if not isinstance(body, dict):
            return body
        out = []
        for part in body["gen"]:
            if part[0] == "lit":
                out.append(part[1])
            elif part[0] == "rep":
                out.append(part[1] * part[2])
            else:
                _, form, start, count, separator = part
                out.append(separator.join(form.replace("{i}", str(i))
                                          for i in range(start,
                                                         start + count)))
        return "".join(out)

    def test_json_bodies(self):
        path = os.path.join(TESTDATA, "http", "json-bodies.json")
        with open(path) as f:
            cases = json.load(f)["cases"]
        for case in cases:
            with self.subTest(case["id"]):
                if "body_base64" in case:
                    body = base64.b64decode(case["body_base64"])
                else:
                    body = self.made(case["body"]).encode(
                        "utf-8", "surrogatepass")
                answer = self.s.call(
                    "POST", "/v2/email/outbound-emails", body,
                    {"Content-Type": "application/json"})
                self.check(case["id"], case["expect"], answer)

    def check(self, case, expect, answer):
        if expect.startswith("200"):
            self.assertEqual(answer.status, 200, answer)
            return
        self.assertIn(answer.status, (400, 404), answer)
        kind = answer.headers["x-amzn-ErrorType"]
        self.assertEqual(answer.json["code"], kind.replace("Exception", ""))
        # bad-input.md C12: an empty body is {}
        if expect in ("400 " + SYNTAX, "400 " + BAD) and case != "empty":
            self.assertEqual(kind, expect[4:], answer)


if __name__ == "__main__":
    unittest.main()
