"""Idempotency-Key: one key, one content, one mail."""
import concurrent.futures
import unittest

from apicase import ApiCase, fresh, mail


class Idempotency(ApiCase):
    def setUp(self):
        self.key = fresh("key")
        self.to = self.key + "@idempotent.example"
        self.body = mail(Destination={"ToAddresses": [self.to]})

    def send(self, body=None):
        return self.send_v2(body or self.body, Idempotency_Key=self.key)

    def one_mail(self, mid):
        self.s.wait_message(mid)
        items = self.s.sandbox(recipient=self.to)
        self.assertEqual([i["messageId"] for i in items], [mid])
        listed = self.s.all_items("/api/messages", idempotencyKey=self.key)
        self.assertEqual([i["id"] for i in listed], [mid])

    def test_same_content(self):
        first = self.send()
        self.assertEqual(first.status, 200, first)
        self.assertIsNone(first.headers["Idempotent-Replayed"])
        for _ in range(3):
            again = self.send()
            self.assertEqual(again.status, 200, again)
            self.assertEqual(again.headers["Idempotent-Replayed"], "true")
            self.assertEqual(again.json, first.json)
        self.one_mail(first.json["MessageId"])

    def test_other_content(self):
        first = self.send()
        other = self.send(dict(self.body, FromEmailAddress="b@example.com"))
        self.error(other, 409, "ConflictException")
        self.one_mail(first.json["MessageId"])

    def test_parallel(self):
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            answers = list(pool.map(lambda _: self.send(), range(16)))
        good = [a for a in answers if a.status == 200]
        # A repeat may be told to come again while the first is under way.
        self.assertLessEqual({a.status for a in answers}, {200, 409, 429})
        self.assertEqual(len({a.json["MessageId"] for a in good}), 1)
        fresh_ones = [a for a in good
                      if a.headers["Idempotent-Replayed"] is None]
        self.assertEqual(len(fresh_ones), 1)
        self.one_mail(good[0].json["MessageId"])

    def test_bulk(self):
        name = self.new_template()
        body = {"FromEmailAddress": "a@example.com",
                "DefaultContent": {"Template": {
                    "TemplateName": name, "TemplateData": '{"name": "x"}'}},
                "BulkEmailEntries": [
                    {"Destination": {"ToAddresses": ["%d%s" % (i, self.to)]}}
                    for i in range(5)]}
        first, again = [self.s.call(
            "POST", "/v2/email/outbound-bulk-emails", body,
            {"Idempotency-Key": self.key}) for _ in range(2)]
        self.assertEqual(first.status, 200, first)
        self.assertEqual(again.headers["Idempotent-Replayed"], "true")
        self.assertEqual(first.json, again.json)

    def test_refused_keeps_nothing(self):
        refused = self.send(dict(self.body,
                                 FromEmailAddress="invalid@invalid"))
        self.assertEqual(refused.status, 400)
        answer = self.send()
        self.assertEqual(answer.status, 200, answer)
        self.one_mail(answer.json["MessageId"])

    def test_bad_key(self):
        for key in ("a b", "x" * 256):
            self.error(self.send_v2(self.body, Idempotency_Key=key), 400,
                       "BadRequestException")


if __name__ == "__main__":
    unittest.main()
