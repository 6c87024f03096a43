#!/usr/bin/python3
"""The line once, by unmodified clients: from an AWS SDK to mailboxes, and the
events back."""
import json
import unittest

from botocore.exceptions import ClientError
from libapi import http, service

BODY = {"Subject": "Hi {{name}}", "Text": "Dear {{name}}, {{order}}.",
        "Html": "<p>Dear {{name}}</p>{{#if gift}}<b>gift</b>{{/if}}"}


class FirstLight(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.s = service()
        cls.v2 = cls.s.boto("sesv2")
        cls.v1 = cls.s.boto("ses")
        cls.v2.create_email_template(TemplateName="first", TemplateContent=BODY)

    def refused(self, code, call, **args):
        with self.assertRaises(ClientError) as e:
            call(**args)
        self.assertEqual(e.exception.response["Error"]["Code"], code)
        return e.exception.response["Error"]["Message"]

    def simple(self, to, **more):
        return dict(FromEmailAddress="a@example.com",
                    Destination={"ToAddresses": [to]},
                    Content={"Simple": {"Subject": {"Data": "s"}, "Body": {
                        "Text": {"Data": "t"}}}}, **more)

    def test_batch_reaches_every_mailbox(self):
        people = [f"p{i}@example.org" for i in range(25)]
        got = self.v2.send_bulk_email(
            FromEmailAddress="Shop <shop@example.com>",
            DefaultContent={"Template": {
                "TemplateName": "first",
                "TemplateData": json.dumps({"order": 7, "gift": True})}},
            BulkEmailEntries=[{
                "Destination": {"ToAddresses": [p]},
                "ReplacementEmailContent": {"ReplacementTemplate": {
                    "ReplacementTemplateData": json.dumps({"name": p})}}}
                for p in people])["BulkEmailEntryResults"]
        self.assertEqual([r["Status"] for r in got], ["SUCCESS"] * 25)
        for person, result in zip(people, got):
            self.assertEqual(list(self.s.states(result["MessageId"]).values()),
                             ["delivered"])
            item = self.s.sandbox(recipient=person)[0]
            self.assertEqual(item["subject"], "Hi " + person)
            self.assertEqual(item["messageId"], result["MessageId"])
            mail = self.s.get("/api/sandbox/messages/" + item["id"])
            self.assertEqual(mail["text"].strip(), f"Dear {person}, 7.")
            self.assertIn("<b>gift</b>", mail["html"])
            kinds = [e["type"] for e in self.s.wait_events(
                2, messageId=result["MessageId"])]
            self.assertEqual(sorted(kinds), ["DELIVERY", "SEND"])

    def test_simulator_bounces(self):
        for local, kind, sub in (("bounce", "Permanent", "General"),
                                 ("mailboxfull", "Transient", "MailboxFull"),
                                 ("suppressionlist", "Permanent", "Suppressed")):
            to = local + "+x@simulator.amazonses.com"
            mid = self.v2.send_email(**self.simple(to))["MessageId"]
            self.s.wait_message(mid)
            event = self.s.wait_events(1, messageId=mid, type="BOUNCE")[0]
            bounce = event["event"]["bounce"]
            self.assertEqual((bounce["bounceType"], bounce["bounceSubType"]),
                             (kind, sub))
            self.assertEqual(bounce["bouncedRecipients"][0]["emailAddress"], to)
            self.assertEqual(event["recipient"], to)

    def test_greylisting_is_tried_again(self):
        mid = self.v2.send_email(**self.simple(
            "greylist+y@simulator.amazonses.com"))["MessageId"]
        message = self.s.wait_message(mid)
        r = message["recipients"][0]
        self.assertEqual((r["state"], r["attempts"]), ("delivered", 2))
        self.assertEqual([t["outcome"] for t in r["timeline"]
                          if t["type"] == "attempt"], ["deferred", "delivered"])

    def test_missing_attribute_is_an_event(self):
        mid = self.v2.send_email(
            FromEmailAddress="a@example.com",
            Destination={"ToAddresses": ["m@example.org"]},
            Content={"Template": {"TemplateName": "first",
                                  "TemplateData": "{}"}})["MessageId"]
        self.assertEqual(list(self.s.states(mid).values()), ["failed"])
        event = self.s.wait_events(1, messageId=mid,
                                   type="RENDERING_FAILURE")[0]["event"]
        self.assertEqual(event["eventType"], "Rendering Failure")
        self.assertEqual(event["failure"], {
            "templateName": "first", "errorMessage":
            "Attribute 'name' is not present in the rendering data."})

    def test_v1(self):
        mid = self.v1.send_email(
            Source="a@example.com", Destination={"ToAddresses": ["v1@example.org"]},
            Message={"Subject": {"Data": "one"}, "Body": {
                "Text": {"Data": "x"}}})["MessageId"]
        self.assertEqual(list(self.s.states(mid).values()), ["delivered"])
        mid = self.v1.send_templated_email(
            Source="a@example.com", Destination={"ToAddresses": ["v1@example.org"]},
            Template="first", TemplateData='{"name":"V","order":1}')["MessageId"]
        self.assertEqual(list(self.s.states(mid).values()), ["delivered"])
        message = self.refused("InvalidAction", self.v1.list_identities)
        self.assertEqual(message, "ListIdentities is not offered by this "
                         "version of Postrider.")
        self.refused("TemplateDoesNotExist", self.v1.send_templated_email,
                     Source="a@example.com", Template="none", TemplateData="{}",
                     Destination={"ToAddresses": ["v1@example.org"]})

    def test_refusals(self):
        self.assertIn("not verified", self.refused(
            "MessageRejected", self.v2.send_email, **dict(
                self.simple("x@example.org"),
                FromEmailAddress="invalid@invalid")))
        self.assertEqual(self.refused(
            "NotFoundException", self.v2.get_email_template,
            TemplateName="none"), "Template none does not exist.")
        self.assertIn("line 1", self.refused(
            "BadRequestException", self.v2.create_email_template,
            TemplateName="bad", TemplateContent={
                "Subject": "s", "Text": "{{#if x}}"}))
        self.refused("AlreadyExistsException", self.v2.create_email_template,
                     TemplateName="first", TemplateContent=BODY)
        self.assertEqual(self.refused(
            "BadRequestException", self.v2.send_email, **dict(
                self.simple("x"),)), "Missing final '@domain'")
        self.assertEqual(self.refused(
            "NotFoundException", self.v2.send_email,
            ConfigurationSetName="none", **self.simple("x@example.org")),
            "Configuration set <none> does not exist.")
        self.assertEqual(self.refused(
            "BadRequestException", self.v2.send_email, **dict(
                self.simple("x@example.org"), Destination={"ToAddresses": [
                    f"u{i}@example.org" for i in range(51)]})),
            "Recipient count exceeds 50.")
        self.assertIn("not offered", self.refused(
            "BadRequestException", self.v2.list_contact_lists))

    def test_identities_and_sets(self):
        got = self.v2.create_email_identity(EmailIdentity="Example.NET")
        self.assertEqual(got["IdentityType"], "DOMAIN")
        self.assertEqual(len(got["DkimAttributes"]["Tokens"]), 3)
        self.refused("AlreadyExistsException", self.v2.create_email_identity,
                     EmailIdentity="example.net")
        self.v2.create_email_identity(EmailIdentity="me@example.net")
        names = [i["IdentityName"] for i in
                 self.v2.list_email_identities()["EmailIdentities"]]
        self.assertEqual(names, ["example.net", "me@example.net"])
        self.v2.get_email_identity(EmailIdentity="me@example.net")
        for name in names:
            self.v2.delete_email_identity(EmailIdentity=name)
        self.refused("NotFoundException", self.v2.get_email_identity,
                     EmailIdentity="example.net")
        self.v2.create_configuration_set(
            ConfigurationSetName="set-1",
            Tags=[{"Key": "a", "Value": "b"}])
        self.assertEqual(self.v2.get_configuration_set(
            ConfigurationSetName="set-1")["Tags"], [{"Key": "a", "Value": "b"}])
        self.assertIn("set-1", self.v2.list_configuration_sets()[
            "ConfigurationSets"])
        self.v2.delete_configuration_set(ConfigurationSetName="set-1")
        self.assertTrue(self.v2.get_account()["SendingEnabled"])

    def test_templates_and_pages(self):
        for i in range(12):
            self.v2.create_email_template(
                TemplateName=f"page-{i:02}", TemplateContent=BODY)
        names, token = [], None
        while True:
            more = {"NextToken": token} if token else {}
            page = self.v2.list_email_templates(PageSize=5, **more)
            names += [t["TemplateName"] for t in page["TemplatesMetadata"]]
            token = page.get("NextToken")
            if not token:
                break
        self.assertEqual(names, sorted(set(names)))
        self.assertGreaterEqual(len(names), 13)
        self.refused("BadRequestException", self.v2.list_email_templates,
                     NextToken="forged")
        got = self.v2.test_render_email_template(
            TemplateName="first", TemplateData='{"name":"R","order":2}')
        self.assertIn("Dear R, 2.", got["RenderedTemplate"])
        self.v2.update_email_template(TemplateName="page-00", TemplateContent={
            "Subject": "new", "Text": "x"})
        self.assertEqual(self.v2.get_email_template(TemplateName="page-00")[
            "TemplateContent"]["Subject"], "new")
        self.v2.delete_email_template(TemplateName="page-00")

    def test_idempotency(self):
        body = self.simple("once@example.org")
        path = "/v2/email/outbound-emails"
        first = self.s.call("POST", path, body, {"Idempotency-Key": "k-1"})
        again = self.s.call("POST", path, body, {"Idempotency-Key": "k-1"})
        self.assertEqual(first.json, again.json)
        self.assertEqual(again.headers.get("Idempotent-Replayed"), "true")
        self.s.wait_message(first.json["MessageId"])
        self.assertEqual(len(self.s.sandbox(recipient="once@example.org")), 1)
        body["Content"]["Simple"]["Subject"]["Data"] = "other"
        other = self.s.call("POST", path, body, {"Idempotency-Key": "k-1"})
        self.assertEqual(other.status, 409)
        self.assertEqual(other.json["code"], "Conflict")

    def test_keys_are_checked(self):
        s = self.s
        self.assertEqual(http("GET", s.url + "/api/messages").status, 403)
        bad = http("GET", s.url + "/api/messages", headers={
            "Authorization": "Bearer pr_nobody"})
        self.assertEqual(bad.status, 403)
        self.assertEqual(http("GET", s.url + "/healthz").status, 200)
        self.assertEqual(s.call("GET", "/api/messages?nonsense=1").status, 400)
        self.assertEqual(s.call("GET", "/nowhere").status, 404)

    def test_cursors_walk_every_message_once(self):
        for i in range(7):
            self.v2.send_email(**self.simple(f"cursor{i}@example.org"))
        whole = [m["id"] for m in self.s.get(
            "/api/messages", limit=1000)["items"]]
        walked = [m["id"] for m in self.s.all_items("/api/messages", limit=3)]
        self.assertEqual(len(walked), len(set(walked)))
        self.assertTrue(set(whole) <= set(walked))


if __name__ == "__main__":
    unittest.main()
