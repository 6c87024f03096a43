"""SES v2 by boto3 and the AWS CLI: only the endpoint is changed."""
import email.policy
import unittest

from apicase import ApiCase, fresh, mail


class Templates(ApiCase):
    def test_life(self):
        name = self.new_template(Html="<p>{{name}}</p>")
        got = self.v2.get_email_template(TemplateName=name)
        self.assertEqual(got["TemplateName"], name)
        self.assertEqual(got["TemplateContent"], {
            "Subject": "Hi {{name}}", "Text": "Dear {{name}}",
            "Html": "<p>{{name}}</p>"})
        self.v2.update_email_template(TemplateName=name, TemplateContent={
            "Subject": "New {{name}}", "Text": "t"})
        got = self.v2.get_email_template(TemplateName=name)
        self.assertEqual(got["TemplateContent"]["Subject"], "New {{name}}")
        self.v2.delete_email_template(TemplateName=name)
        self.refused("NotFoundException", self.v2.get_email_template,
                     TemplateName=name)

    def test_exists(self):
        name = self.new_template()
        e = self.refused("AlreadyExistsException",
                         self.v2.create_email_template, TemplateName=name,
                         TemplateContent={"Subject": "s", "Text": "t"})
        self.assertEqual(self.status(e), 400)

    def test_not_found(self):
        for call, more in (
                (self.v2.get_email_template, {}),
                (self.v2.delete_email_template, {}),
                (self.v2.update_email_template,
                 {"TemplateContent": {"Subject": "s", "Text": "t"}}),
                (self.v2.test_render_email_template, {"TemplateData": "{}"})):
            e = self.refused("NotFoundException", call, TemplateName="Nobody",
                             **more)
            self.assertEqual(self.status(e), 404)
            self.assertEqual(self.words(e), "Template Nobody does not exist.")

    def test_list_walks(self):
        names = {self.new_template() for _ in range(12)}
        seen, token = [], None
        while True:
            page = self.v2.list_email_templates(
                PageSize=5, **({"NextToken": token} if token else {}))
            self.assertLessEqual(len(page["TemplatesMetadata"]), 5)
            seen += [t["TemplateName"] for t in page["TemplatesMetadata"]]
            token = page.get("NextToken")
            if token is None:
                break
        self.assertEqual(len(seen), len(set(seen)))
        self.assertLessEqual(names, set(seen))

    def test_render(self):
        name = self.new_template(Html="<b>{{name}}</b>")
        got = self.v2.test_render_email_template(
            TemplateName=name, TemplateData='{"name": "A & B"}')
        message = email.message_from_string(got["RenderedTemplate"],
                                            policy=email.policy.default)
        self.assertEqual(message["Subject"], "Hi A & B")
        self.assertNotIn("From", message)
        self.assertEqual(message.get_body(("plain",)).get_content().strip(),
                         "Dear A & B")
        self.assertEqual(message.get_body(("html",)).get_content().strip(),
                         "<b>A & B</b>")     # SES escapes nothing

    def test_render_refuses(self):
        name = self.new_template()
        for data in ("{}", "{", "[]"):
            with self.subTest(data):
                self.refused("BadRequestException",
                             self.v2.test_render_email_template,
                             TemplateName=name, TemplateData=data)

    def test_bad_syntax(self):
        for text in ("{{#if x}}", "{{", "{{/each}}"):
            with self.subTest(text):
                self.refused("BadRequestException",
                             self.v2.create_email_template,
                             TemplateName=fresh("bad"), TemplateContent={
                                 "Subject": "s", "Text": text})


class Sending(ApiCase):
    def test_simple(self):
        answer = self.v2.send_email(
            FromEmailAddress="Ann <ann@example.com>",
            Destination={"ToAddresses": ["simple@example.org"],
                         "CcAddresses": ["copy@example.org"],
                         "BccAddresses": ["blind@example.org"]},
            ReplyToAddresses=["answers@example.com"],
            Content={"Simple": {
                "Subject": {"Data": "Grüße"},
                "Body": {"Text": {"Data": "plain"},
                         "Html": {"Data": "<p>rich</p>"}}}},
            EmailTags=[{"Name": "kind", "Value": "test"}])
        states = self.s.states(answer["MessageId"])
        self.assertEqual(states, dict.fromkeys(
            ("simple@example.org", "copy@example.org", "blind@example.org"),
            "delivered"))
        item = self.s.sandbox(recipient="blind@example.org")[0]
        got = self.s.get("/api/sandbox/messages/" + item["id"])
        self.assertEqual(got["text"].strip(), "plain")
        self.assertEqual(got["html"].strip(), "<p>rich</p>")
        self.assertEqual(got["subject"], "Grüße")
        headers = {h["name"].lower(): h["value"] for h in got["headers"]}
        self.assertIn("answers@example.com", headers["reply-to"])
        self.assertNotIn("bcc", headers)

    def test_header(self):
        """Older models do not know Headers: by hand."""
        body = mail(Destination={"ToAddresses": ["header@example.org"]})
        body["Content"]["Simple"]["Headers"] = [
            {"Name": "X-Order", "Value": "17"}]
        self.assertEqual(self.send_v2(body).status, 200)
        item = self.s.sandbox(recipient="header@example.org")[0]
        self.assertIn(b"\r\nX-Order: 17\r\n", self.s.sandbox_raw(item))

    def test_template(self):
        name = self.new_template()
        answer = self.v2.send_email(
            FromEmailAddress="ann@example.com",
            Destination={"ToAddresses": ["templated@example.org"]},
            Content={"Template": {"TemplateName": name,
                                  "TemplateData": '{"name": "Bo"}'}})
        self.s.wait_message(answer["MessageId"])
        item = self.s.sandbox(recipient="templated@example.org")[0]
        self.assertEqual(item["subject"], "Hi Bo")
        self.assertEqual(item["messageId"], answer["MessageId"])

    def test_bulk(self):
        name = self.new_template()
        domain = fresh("bulk") + ".example"
        answer = self.v2.send_bulk_email(
            FromEmailAddress="ann@example.com",
            DefaultContent={"Template": {"TemplateName": name,
                                         "TemplateData": '{"name": "you"}'}},
            BulkEmailEntries=[{
                "Destination": {"ToAddresses": ["r%d@%s" % (i, domain)]},
                "ReplacementEmailContent": {"ReplacementTemplate": {
                    "ReplacementTemplateData": '{"name": "N%d"}' % i}},
            } for i in range(25)])
        results = answer["BulkEmailEntryResults"]
        self.assertEqual({r["Status"] for r in results}, {"SUCCESS"})
        self.assertEqual(len({r["MessageId"] for r in results}), 25)
        for i, r in enumerate(results):
            self.assertEqual(self.s.states(r["MessageId"]),
                             {"r%d@%s" % (i, domain): "delivered"})
            own = self.s.sandbox(recipient="r%d@%s" % (i, domain))
            self.assertEqual([m["subject"] for m in own], ["Hi N%d" % i])
            self.assertEqual(own[0]["messageId"], r["MessageId"])

    def test_bulk_one_bad_entry(self):
        name = self.new_template()
        answer = self.v2.send_bulk_email(
            FromEmailAddress="ann@example.com",
            DefaultContent={"Template": {"TemplateName": name,
                                         "TemplateData": '{"name": "x"}'}},
            BulkEmailEntries=[{"Destination": {"ToAddresses": [to]}}
                              for to in ("good@example.org", "bad")])
        good, bad = answer["BulkEmailEntryResults"]
        self.assertEqual(good["Status"], "SUCCESS")
        self.assertNotEqual(bad["Status"], "SUCCESS")
        self.assertTrue(bad["Error"])
        self.assertNotIn("MessageId", bad)

    def test_unverified(self):
        e = self.refused("MessageRejected", self.v2.send_email,
                         **mail(FromEmailAddress="invalid@invalid"))
        self.assertEqual(self.status(e), 400)
        self.assertEqual(self.words(e), "Email address is not verified. The "
                         "following identities failed the check in region "
                         "US-EAST-1: invalid@invalid")

    def test_no_template(self):
        e = self.refused("NotFoundException", self.v2.send_email, **mail(
            Content={"Template": {"TemplateName": "Nobody",
                                  "TemplateData": "{}"}}))
        self.assertEqual(self.words(e), "Template Nobody does not exist.")

    def test_no_configuration_set(self):
        e = self.refused("NotFoundException", self.v2.send_email,
                         **mail(ConfigurationSetName="nobody"))
        self.assertEqual(self.words(e),
                         "Configuration set <nobody> does not exist.")


class Identities(ApiCase):
    def test_life(self):
        for name, kind in (("one.example", "DOMAIN"),
                           ("a+b@two.example", "EMAIL_ADDRESS")):
            with self.subTest(name):
                got = self.v2.create_email_identity(EmailIdentity=name)
                self.assertEqual(got["IdentityType"], kind)
                self.assertTrue(got["VerifiedForSendingStatus"])
                self.refused("AlreadyExistsException",
                             self.v2.create_email_identity, EmailIdentity=name)
                got = self.v2.get_email_identity(EmailIdentity=name)
                self.assertEqual(got["IdentityType"], kind)
                rows = self.v2.list_email_identities()["EmailIdentities"]
                row = [r for r in rows if r["IdentityName"] == name]
                self.assertEqual(row[0]["IdentityType"], kind)
                self.v2.delete_email_identity(EmailIdentity=name)
                e = self.refused("NotFoundException",
                                 self.v2.get_email_identity,
                                 EmailIdentity=name)
                self.assertEqual(self.status(e), 404)
                self.refused("NotFoundException",
                             self.v2.delete_email_identity, EmailIdentity=name)

    def test_domain_has_dkim_tokens(self):
        got = self.v2.create_email_identity(EmailIdentity="tokens.example")
        self.assertEqual(len(got["DkimAttributes"]["Tokens"]), 3)

    def test_idn(self):
        self.v2.create_email_identity(EmailIdentity="bücher.example")
        got = self.v2.get_email_identity(EmailIdentity="xn--bcher-kva.example")
        self.assertEqual(got["IdentityType"], "DOMAIN")
        self.refused("AlreadyExistsException", self.v2.create_email_identity,
                     EmailIdentity="xn--bcher-kva.example")

    def test_bad_name(self):
        for name in ("a b.example", "@x.example", "a@", "a@@b.example",
                     "x" * 400):
            with self.subTest(name[:20]):
                self.refused("BadRequestException",
                             self.v2.create_email_identity, EmailIdentity=name)


class ConfigurationSets(ApiCase):
    def test_life(self):
        name = fresh("set")
        self.v2.create_configuration_set(
            ConfigurationSetName=name,
            SendingOptions={"SendingEnabled": True})
        e = self.refused("AlreadyExistsException",
                         self.v2.create_configuration_set,
                         ConfigurationSetName=name)
        self.assertEqual(self.status(e), 400)
        got = self.v2.get_configuration_set(ConfigurationSetName=name)
        self.assertEqual(got["ConfigurationSetName"], name)
        self.assertIn(name, self.v2.list_configuration_sets()
                      ["ConfigurationSets"])
        message = self.v2.send_email(**mail(ConfigurationSetName=name))
        found = self.s.wait_message(message["MessageId"])
        self.assertEqual(found["configurationSet"], name)
        self.v2.delete_configuration_set(ConfigurationSetName=name)
        self.refused("NotFoundException", self.v2.get_configuration_set,
                     ConfigurationSetName=name)
        self.refused("NotFoundException", self.v2.delete_configuration_set,
                     ConfigurationSetName=name)

    def test_paused(self):
        name = fresh("paused")
        self.v2.create_configuration_set(
            ConfigurationSetName=name,
            SendingOptions={"SendingEnabled": False})
        self.refused("SendingPausedException", self.v2.send_email,
                     **mail(ConfigurationSetName=name))


class Account(ApiCase):
    def test_get(self):
        got = self.v2.get_account()
        self.assertEqual(got["EnforcementStatus"], "HEALTHY")
        self.assertIs(got["SendingEnabled"], True)
        self.assertIs(got["ProductionAccessEnabled"], True)
        self.assertEqual(set(got["SendQuota"]), {
            "Max24HourSend", "MaxSendRate", "SentLast24Hours"})

    def test_counts_sent(self):
        before = self.v2.get_account()["SendQuota"]["SentLast24Hours"]
        self.v2.send_email(**mail())
        after = self.v2.get_account()["SendQuota"]["SentLast24Hours"]
        self.assertGreater(after, before)


class Keys(ApiCase):
    def test_wrong_secret(self):
        c = self.s.boto("sesv2", aws_secret_access_key="wrong")
        e = self.refused("InvalidSignatureException", c.get_account)
        self.assertEqual(self.status(e), 403)
        self.assertTrue(self.words(e).startswith(
            "The request signature we calculated does not match the "
            "signature you provided."))
        c = self.s.boto("ses", aws_secret_access_key="wrong")
        self.refused("SignatureDoesNotMatch", c.get_send_quota)

    def test_unknown_key(self):
        text = "The security token included in the request is invalid."
        c = self.s.boto("sesv2", aws_access_key_id="AKIDNOBODY")
        e = self.refused("UnrecognizedClientException", c.get_account)
        self.assertEqual(self.words(e), text)
        c = self.s.boto("ses", aws_access_key_id="AKIDNOBODY")
        e = self.refused("InvalidClientTokenId", c.get_send_quota)
        self.assertEqual(self.words(e), text)

    def test_other_region(self):
        c = self.s.boto("sesv2", region_name="eu-west-1")
        e = self.refused("InvalidSignatureException", c.get_account)
        self.assertIn("Credential should be scoped to", self.words(e))

    def test_no_authorization(self):
        answer = self.s.call("GET", "/v2/email/account",
                             headers={"Authorization": None})
        self.error(answer, 403, "MissingAuthenticationTokenException")
        answer = self.s.call("GET", "/v2/email/account",
                             headers={"Authorization": "Basic YTpi"})
        self.error(answer, 403, "IncompleteSignatureException")
        answer = self.s.call("GET", "/api/messages",
                             headers={"Authorization": "Bearer pr_" + "x" * 40})
        self.error(answer, 403, "UnrecognizedClientException")


class CommandLine(ApiCase):
    def test_send_and_account(self):
        status, out, words = self.s.aws(
            "sesv2", "send-email", "--from-email-address", "cli@example.com",
            "--destination", "ToAddresses=cli@example.org", "--content",
            "Simple={Subject={Data=Cli},Body={Text={Data=t}}}")
        self.assertEqual(status, 0, words)
        self.assertEqual(self.s.states(out["MessageId"]),
                         {"cli@example.org": "delivered"})
        status, out, words = self.s.aws("sesv2", "get-account")
        self.assertEqual(status, 0, words)
        self.assertEqual(out["EnforcementStatus"], "HEALTHY")


if __name__ == "__main__":
    unittest.main()
