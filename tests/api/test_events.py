"""The native API: mails, events and timelines of what was sent."""
import time
import unittest

from apicase import ApiCase, fresh, mail

BOUNCE = "bounce@simulator.amazonses.com"
FULL = "mailboxfull@simulator.amazonses.com"


class Fates(ApiCase):
    """One mail to three recipients, three fates."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.to = "good@%s.example" % fresh("fates")
        cls.name = fresh("set")
        cls.v2.create_configuration_set(ConfigurationSetName=cls.name)
        cls.mid = cls.s.send([cls.to, BOUNCE, FULL], "Fates",
                            sender="Ann <ann@example.com>",
                            ConfigurationSetName=cls.name,
                            EmailTags=[{"Name": "kind", "Value": "fate"}])
        cls.found = cls.s.wait_message(cls.mid)
        cls.events = cls.s.wait_events(4, messageId=cls.mid)

    def event(self, kind, recipient):
        found = [e for e in self.events
                 if (e["type"], e["recipient"]) == (kind, recipient)]
        self.assertEqual(len(found), 1, self.events)
        self.assertEqual(found[0]["messageId"], self.mid)
        self.assertEqual(found[0]["configurationSet"], self.name)
        return found[0]["event"]

    def check_mail(self, event, kind, member):
        self.assertEqual(set(event), {"eventType", "mail", member})
        self.assertEqual(event["eventType"], kind)
        m = event["mail"]
        self.assertRegex(m["timestamp"], r"^\d{4}-\d\d-\d\dT[\d:]{8}\.\d{3}Z$")
        self.assertEqual(m["source"], "Ann <ann@example.com>")
        self.assertEqual(m["sendingAccountId"], "000000000000")
        self.assertEqual(m["messageId"], self.mid)
        self.assertEqual(m["destination"], [self.to, BOUNCE, FULL])
        self.assertIs(m["headersTruncated"], False)
        self.assertIn({"name": "Subject", "value": "Fates"}, m["headers"])
        self.assertEqual(m["commonHeaders"]["subject"], "Fates")
        self.assertEqual(m["commonHeaders"]["from"], ["Ann <ann@example.com>"])
        self.assertEqual(m["tags"]["kind"], ["fate"])
        self.assertEqual(m["tags"]["ses:operation"], ["SendEmail"])
        self.assertEqual(m["tags"]["ses:configuration-set"], [self.name])
        self.assertEqual(m["tags"]["ses:from-domain"], ["example.com"])

    def check_bounce(self, recipient, kind, sub_kind, status, reply):
        event = self.event("BOUNCE", recipient)
        self.check_mail(event, "Bounce", "bounce")
        b = event["bounce"]
        self.assertEqual((b["bounceType"], b["bounceSubType"]),
                         (kind, sub_kind))
        self.assertEqual(len(b["bouncedRecipients"]), 1)
        r = b["bouncedRecipients"][0]
        self.assertEqual((r["emailAddress"], r["action"], r["status"]),
                         (recipient, "failed", status))
        self.assertTrue(r["diagnosticCode"].startswith("smtp; " + reply), r)
        self.assertTrue(b["feedbackId"])
        self.assertTrue(b["timestamp"].endswith("Z"))
        self.assertTrue(b["reportingMTA"].startswith("dns; "))

    def test_send(self):
        event = self.event("SEND", None)
        self.check_mail(event, "Send", "send")
        self.assertEqual(event["send"], {})

    def test_delivery(self):
        event = self.event("DELIVERY", self.to)
        self.check_mail(event, "Delivery", "delivery")
        d = event["delivery"]
        self.assertEqual(d["recipients"], [self.to])
        self.assertIsInstance(d["processingTimeMillis"], int)
        self.assertTrue(d["smtpResponse"].startswith("250 "))
        self.assertEqual(d["reportingMTA"], "postrider.test")
        self.assertTrue(d["timestamp"].endswith("Z"))

    def test_bounces(self):
        self.check_bounce(BOUNCE, "Permanent", "General", "5.1.1", "550 5.1.1")
        self.check_bounce(FULL, "Transient", "MailboxFull", "5.2.2",
                          "552 5.2.2")

    def test_nothing_else(self):
        self.assertEqual(len(self.events), 4)

    def test_timeline(self):
        states = {r["address"]: r for r in self.found["recipients"]}
        self.assertEqual(
            {a: r["state"] for a, r in states.items()},
            {self.to: "delivered", BOUNCE: "bounced", FULL: "bounced"})
        for address, last in ((self.to, "delivered"), (BOUNCE, "bounced")):
            r = states[address]
            self.assertEqual([t["type"] for t in r["timeline"]],
                             ["accepted", "attempt", last])
            self.assertEqual(r["attempts"], 1)
            self.assertIsNone(r["nextAttemptAt"])
            times = [t["at"] for t in r["timeline"]]
            self.assertEqual(times, sorted(times))
            attempt = r["timeline"][1]
            self.assertEqual(attempt["reply"], r["lastReply"])
            for name in ("mx", "address", "enhancedStatus", "outcome",
                         "durationMs"):
                self.assertIn(name, attempt)
        self.assertEqual(states[FULL]["timeline"][2]["bounceSubType"],
                         "MailboxFull")

    def test_own_mail_each(self):
        items = self.s.sandbox(recipient=self.to)
        self.assertEqual([i["messageId"] for i in items], [self.mid])
        raw = self.s.sandbox_raw(items[0])
        self.assertIn(b"Subject: Fates\r\n", raw)
        self.assertEqual(len(raw), items[0]["size"])

    def test_filters(self):
        for query, count in (({"type": "BOUNCE"}, 2),
                             ({"type": ["SEND", "DELIVERY"]}, 2),
                             ({"recipient": BOUNCE}, 2),     # with its SEND
                             ({"tag": "kind:fate"}, 4),
                             ({"tag": "kind:other"}, 0),
                             ({"configurationSet": "nobody"}, 0)):
            with self.subTest(query):
                self.assertEqual(len(self.s.events(messageId=self.mid,
                                                   **query)), count)

    def test_message_list(self):
        for query in ({"configurationSet": self.name}, {"recipient": self.to},
                      {"tag": "kind:fate"}):
            with self.subTest(query):
                items = self.s.all_items("/api/messages", **query)
                self.assertEqual([i["id"] for i in items], [self.mid])
        self.assertEqual(items[0]["recipients"],
                         {"total": 3, "delivered": 1, "bounced": 2})


class Failures(ApiCase):
    def fail_render(self, text, data, words):
        name = self.new_template(text=text)
        answer = self.v2.send_email(**mail(Content={"Template": {
            "TemplateName": name, "TemplateData": data}}))
        mid = answer["MessageId"]
        self.assertEqual(self.s.states(mid), {"reader@example.org": "failed"})
        events = self.s.wait_events(1, messageId=mid,
                                    type="RENDERING_FAILURE")
        event = events[0]["event"]
        self.assertEqual(set(event), {"eventType", "mail", "failure"})
        self.assertEqual(event["eventType"], "Rendering Failure")
        self.assertEqual(event["failure"]["templateName"], name)
        if words:
            self.assertEqual(event["failure"]["errorMessage"], words)
        self.assertNotIn("headers", event["mail"])
        self.assertNotIn("commonHeaders", event["mail"])
        self.assertEqual(event["mail"]["messageId"], mid)
        self.assertEqual(event["mail"]["destination"], ["reader@example.org"])
        self.assertEqual(self.s.sandbox(0, messageId=mid), [])

    def test_missing_variable(self):
        self.fail_render("{{who}}", '{"name": "x"}',
                         "Attribute 'who' is not present in the rendering "
                         "data.")

    def test_growth(self):
        loop = "{{#each a}}" * 6 + "{{@index}}" * 40 + "{{/each}}" * 6
        deep = loop.replace("{{#each a}}", "{{#each ../a}}")
        deep = deep.replace("{{#each ../a}}", "{{#each a}}", 1)
        self.fail_render(deep, '{"name": "x", "a": [%s]}'
                         % ",".join(["1"] * 60), None)


class Waiting(ApiCase):
    def test_message_wait(self):
        mid = self.s.send("slow@simulator.amazonses.com")
        began = time.monotonic()
        found = self.s.get("/api/messages/" + mid, wait=1)
        self.assertLess(time.monotonic() - began, 4)
        self.assertIn(found["recipients"][0]["state"], ("queued", "leased"))

    def test_sandbox_wait_ends_empty(self):
        began = time.monotonic()
        self.assertEqual(self.s.sandbox(1, recipient="nobody@x.example"), [])
        self.assertGreater(time.monotonic() - began, 0.8)

    def test_greylist(self):
        mid = self.s.send("greylist@simulator.amazonses.com")
        found = self.s.wait_message(mid)["recipients"][0]
        self.assertEqual(found["state"], "delivered")
        self.assertEqual(found["attempts"], 2)
        self.assertEqual([t["outcome"] for t in found["timeline"]
                          if t["type"] == "attempt"][1], "delivered")


class Pages(ApiCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.ids = [cls.s.send("p%d@pages.example" % i, "Pages",
                              EmailTags=[{"Name": "walk", "Value": "pages"}])
                   for i in range(23)]
        for mid in cls.ids:
            cls.s.wait_message(mid)

    def walk(self, path, **query):
        pages, cursor = [], None
        while True:
            page = self.s.get(path, **query,
                              **({"cursor": cursor} if cursor else {}))
            pages.append(page["items"])
            cursor = page["nextCursor"]
            if cursor is None:
                return pages

    def test_walks(self):
        for path, query, count in (
                ("/api/messages", {"tag": "walk:pages"}, 23),
                ("/api/events", {"tag": "walk:pages"}, 46),
                ("/api/sandbox/messages", {"subject": "Pages"}, 23)):
            for order in ("asc", "desc"):
                with self.subTest("%s %s" % (path, order)):
                    pages = self.walk(path, limit=7, order=order, **query)
                    self.assertEqual({len(p) for p in pages[:-1]}, {7})
                    ids = [i["id"] for p in pages for i in p]
                    self.assertEqual(len(ids), count)
                    self.assertEqual(len(set(ids)), count)
                    whole = self.s.get(path, limit=1000, **query)["items"]
                    whole = [i["id"] for i in whole]
                    if order == "asc":
                        whole.reverse()
                    self.assertEqual(ids, whole)

    def test_new_rows_do_not_disturb(self):
        query = {"tag": "walk:pages", "limit": 10, "order": "desc"}
        first = self.s.get("/api/messages", **query)
        self.s.send("late@pages.example")
        second = self.s.get("/api/messages", cursor=first["nextCursor"],
                            **query)
        ids = [i["id"] for i in first["items"] + second["items"]]
        self.assertEqual(ids, list(reversed(self.ids))[:20])

    def test_time_range(self):
        items = self.s.get("/api/messages", tag="walk:pages", order="asc",
                           limit=1000)["items"]
        middle = items[10]["acceptedAt"]
        late = self.s.get("/api/messages", tag="walk:pages", limit=1000,
                          **{"from": middle})["items"]
        early = self.s.get("/api/messages", tag="walk:pages", limit=1000,
                           to=middle)["items"]
        self.assertEqual({i["id"] for i in late} | {i["id"] for i in early},
                         set(self.ids))
        self.assertEqual(len(late) + len(early), 23)
        self.assertIn(items[10]["id"], {i["id"] for i in late})

    def test_bad_queries(self):
        for path in ("/api/messages", "/api/events", "/api/sandbox/messages"):
            for query in ("nobody=1", "limit=0", "limit=1001", "limit=x",
                          "cursor=nobody", "order=up", "from=yesterday",
                          "limit=1&limit=2"):
                with self.subTest(path + "?" + query):
                    self.error(self.s.call("GET", path + "?" + query), 400,
                               "BadRequestException")
        for path in ("/api/events?type=FLY", "/api/messages?state=flying",
                     "/api/messages?source=fax", "/api/events?messageId=x"):
            with self.subTest(path):
                self.error(self.s.call("GET", path), 400,
                           "BadRequestException")

    def test_cursor_of_another_list(self):
        page = self.s.get("/api/messages", limit=1)
        self.error(self.s.call("GET", "/api/events?cursor="
                               + page["nextCursor"]), 400,
                   "BadRequestException")

    def test_unknown_id(self):
        for path in ("/api/messages/", "/api/sandbox/messages/"):
            answer = self.s.call(
                "GET", path + "01a21012-bd95-76bc-9da4-9abcee393840")
            self.error(answer, 404, "NotFoundException")

    def test_sandbox_delete(self):
        self.s.wait_message(self.s.send("gone@delete.example"))
        item = self.s.sandbox(recipient="gone@delete.example")[0]
        path = "/api/sandbox/messages/" + item["id"]
        self.assertEqual(self.s.call("DELETE", path).status, 204)
        self.error(self.s.call("GET", path), 404, "NotFoundException")


if __name__ == "__main__":
    unittest.main()
