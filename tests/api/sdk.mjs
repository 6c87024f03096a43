// Amazon's JavaScript clients; only the endpoint is changed (environment).
import assert from "node:assert/strict";
import test from "node:test";
import { SES, SendEmailCommand as SendOld } from "@aws-sdk/client-ses";
import {
	CreateEmailIdentityCommand, CreateEmailTemplateCommand,
	GetAccountCommand, GetEmailIdentityCommand, GetEmailTemplateCommand,
	ListEmailTemplatesCommand, SendBulkEmailCommand, SendEmailCommand,
	SESv2Client,
} from "@aws-sdk/client-sesv2";

const endpoint = process.env.TEST_HTTP.replace(/\/$/, "");
const client = new SESv2Client({ endpoint, maxAttempts: 1 });

async function native(path) {
	const answer = await fetch(endpoint + path, { headers: {
		Authorization: `Bearer ${process.env.TEST_API_KEY}` } });

	assert.equal(answer.status, 200);
	return answer.json();
}

function mail(to, from = "node@example.com") {
	return new SendEmailCommand({
		FromEmailAddress: from,
		Destination: { ToAddresses: [to] },
		Content: { Simple: { Subject: { Data: "Node" },
			Body: { Text: { Data: "t" } } } },
	});
}

test("an account", async () => {
	const got = await client.send(new GetAccountCommand({}));

	assert.equal(got.EnforcementStatus, "HEALTHY");
	assert.match(got.$metadata.requestId, /^[0-9a-f-]{36}$/);
});

test("a mail arrives", async () => {
	const { MessageId } = await client.send(mail("node@example.org"));
	const found = await native(`/api/messages/${MessageId}?wait=20`);

	assert.deepEqual(found.recipients.map((r) => r.state), ["delivered"]);
});

test("templates: times are dates", async () => {
	await client.send(new CreateEmailTemplateCommand({
		TemplateName: "node",
		TemplateContent: { Subject: "Hi {{name}}", Text: "Dear {{name}}" },
	}));
	const got = await client.send(
		new GetEmailTemplateCommand({ TemplateName: "node" }));
	assert.equal(got.TemplateContent.Subject, "Hi {{name}}");
	const list = await client.send(new ListEmailTemplatesCommand({}));
	assert.ok(list.TemplatesMetadata[0].CreatedTimestamp instanceof Date);
	const bulk = await client.send(new SendBulkEmailCommand({
		FromEmailAddress: "node@example.com",
		DefaultContent: { Template: { TemplateName: "node",
			TemplateData: '{"name":"you"}' } },
		BulkEmailEntries: [1, 2, 3].map((i) => ({
			Destination: { ToAddresses: [`n${i}@example.org`] } })),
	}));
	assert.deepEqual(bulk.BulkEmailEntryResults.map((r) => r.Status),
		["SUCCESS", "SUCCESS", "SUCCESS"]);
});

test("an identity with a plus and an at sign in the path", async () => {
	const EmailIdentity = "a+b@node.example";

	await client.send(new CreateEmailIdentityCommand({ EmailIdentity }));
	const got = await client.send(
		new GetEmailIdentityCommand({ EmailIdentity }));
	assert.equal(got.IdentityType, "EMAIL_ADDRESS");
});

test("errors have their classes", async () => {
	await assert.rejects(
		client.send(new GetEmailTemplateCommand({ TemplateName: "Nobody" })),
		{ name: "NotFoundException",
			message: "Template Nobody does not exist." });
	await assert.rejects(client.send(mail("a@example.org", "invalid@invalid")),
		{ name: "MessageRejected" });
	await assert.rejects(client.send(mail("nobody")),
		{ name: "BadRequestException" });
});

test("version 1", async () => {
	const old = new SES({ endpoint, maxAttempts: 1 });
	const answer = await old.send(new SendOld({
		Source: "node@example.com",
		Destination: { ToAddresses: ["node1@example.org"] },
		Message: { Subject: { Data: "Old" }, Body: { Text: { Data: "t" } } },
	}));
	assert.ok(answer.MessageId);
	await assert.rejects(old.getSendQuota({}), { name: "InvalidAction" });
});
