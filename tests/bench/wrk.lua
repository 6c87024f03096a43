-- SES v2 SendEmail with a stored template, five variables, one recipient. The
-- bearer key comes from the environment; every request is a recipient of its own.
local threads = 0

function setup(thread)
	thread:set("number", threads)
	threads = threads + 1
end

function init(args)
	count = 0
	headers = {
		["Authorization"] = "Bearer " .. os.getenv("BENCH_KEY"),
		["Content-Type"] = "application/json",
	}
end

local body = '{"FromEmailAddress":"The Shop <shop@example.com>",'
	.. '"Destination":{"ToAddresses":["customer%d.%d@peer%d.test"]},'
	.. '"Content":{"Template":{"TemplateName":"bench","TemplateData":'
	.. '"{\\"name\\":\\"Ada Lovelace\\",\\"order\\":\\"A-%d\\",\\"city\\":\\"London\\",'
	.. '\\"total\\":\\"1,024.00 EUR\\",'
	.. '\\"link\\":\\"https://shop.example.com/orders/%d/parcel\\"}"}}}'

function request()
	count = count + 1
	return wrk.format("POST", "/v2/email/outbound-emails", headers,
		string.format(body, number, count, count % 20, count, count))
end

