"""Live answers against the schemas that the service itself hands out."""
import unittest

import jsonschema
import yaml

from apicase import ApiCase, mail


class Description(ApiCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.answer = cls.s.call("GET", "/openapi.yaml",
                                headers={"Authorization": None})
        cls.doc = yaml.safe_load(cls.answer.text)

    def validate(self, answer, path, method="get"):
        responses = self.doc["paths"][path][method]["responses"]
        response = responses.get(str(answer.status)) or responses.get(
            "%dXX" % (answer.status // 100)) or responses.get("default")
        self.assertIsNotNone(response, "%s %d" % (path, answer.status))
        if "$ref" in response:
            response = self.doc["components"]["responses"][
                response["$ref"].rsplit("/", 1)[1]]
        schema = response["content"]["application/json"]["schema"]
        whole = dict(schema, components=self.doc["components"])
        jsonschema.Draft202012Validator(whole).validate(answer.json)

    def check(self, path, url=None):
        answer = self.s.call("GET", url or path)
        with self.subTest(url or path):
            self.validate(answer, path)
        return answer.json

    def test_served(self):
        self.assertEqual(self.answer.status, 200)
        self.assertTrue(self.doc["openapi"].startswith("3.1"))

    def test_answers(self):
        name = self.new_template()
        self.v2.create_configuration_set(ConfigurationSetName="described")
        self.v2.create_email_identity(EmailIdentity="described.example")
        ids = [self.s.send(["good@example.org",
                            "bounce@simulator.amazonses.com"],
                           ConfigurationSetName="described")]
        ids.append(self.v2.send_email(**mail(Content={"Template": {
            "TemplateName": name, "TemplateData": "{}"}}))["MessageId"])
        for mid in ids:
            self.s.wait_message(mid)
            self.check("/api/messages/{id}", "/api/messages/" + mid)
        self.assertTrue(self.check("/api/messages")["items"])
        self.assertTrue(self.check("/api/events")["items"])
        item = self.check("/api/sandbox/messages")["items"][0]
        self.check("/api/sandbox/messages/{id}",
                   "/api/sandbox/messages/" + item["id"])
        self.check("/v2/email/account")
        self.check("/v2/email/templates")
        self.check("/v2/email/templates/{TemplateName}",
                   "/v2/email/templates/" + name)
        self.check("/v2/email/identities")
        self.check("/v2/email/identities/{EmailIdentity}",
                   "/v2/email/identities/described.example")
        self.check("/v2/email/configuration-sets")
        self.check("/v2/email/configuration-sets/{ConfigurationSetName}",
                   "/v2/email/configuration-sets/described")
        self.check("/healthz")
        self.check("/readyz")

    def test_errors(self):
        for path, url in (("/api/messages", "/api/messages?nobody=1"),
                          ("/api/events", "/api/events?limit=0"),
                          ("/v2/email/templates/{TemplateName}",
                           "/v2/email/templates/Nobody")):
            with self.subTest(url):
                answer = self.s.call("GET", url)
                self.assertGreaterEqual(answer.status, 400)
                self.validate(answer, path)

    def test_every_path_is_routed(self):
        for path, methods in self.doc["paths"].items():
            for method in ("get", "post", "put", "delete"):
                answer = self.s.call(method.upper(), path.replace("{", "")
                                     .replace("}", ""),
                                     {} if method in ("post", "put") else None)
                with self.subTest("%s %s" % (method, path)):
                    if method in methods:
                        self.assertNotIn(answer.status, (405, 500), answer)


if __name__ == "__main__":
    unittest.main()
