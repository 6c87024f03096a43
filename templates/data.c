#include <string.h>

#include "templates/value.h"

static enum template_fault
read_object(const struct template *t, struct arena *a, struct slice json,
    struct template_value *out, struct template_error *err)
{
	enum template_fault rc = template_json_read(t, a, json, out, err);

	if (rc != TEMPLATE_OK)
		return rc;
	if (t->dialect == TEMPLATE_SES && out->kind != TEMPLATE_V_MAP)
		return template_fail(err, TEMPLATE_NOT_OBJECT,
		    "the data must be a JSON object");
	return TEMPLATE_OK;
}

enum template_fault
template_data_parse(const struct template *t, struct arena *a,
    struct slice json, struct slice over, struct template_data **out,
    struct template_error *err)
{
	struct template_data *data = arena_new_of(a, struct template_data);
	struct template_value second;
	enum template_fault rc;

	if (json.p == NULL)
		json = SLICE_LIT("{}");
	data->t = t;
	rc = read_object(t, a, json, &data->root, err);
	if (rc != TEMPLATE_OK)
		return rc;
	if (over.n > 0) {
		rc = read_object(t, a, over, &second, err);
		if (rc != TEMPLATE_OK)
			return rc;
		data->root = template_value_merge(a, data->root, second);
	}
	*out = data;
	return TEMPLATE_OK;
}

enum template_fault
template_data_vars(const struct template *t, struct arena *a,
    struct slice json, struct template_data *data, struct template_error *err)
{
	enum template_fault rc = template_json_read(t, a, json, &data->vars,
	    err);

	if (rc == TEMPLATE_OK && data->vars.kind != TEMPLATE_V_MAP)
		return template_fail(err, TEMPLATE_NOT_OBJECT,
		    "the variables must be a JSON object");
	return rc;
}
