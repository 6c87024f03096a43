#include "core/registry/config_set.h"

#include "core/base/text.h"

#define NAME_SET	"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz" \
	"0123456789_-"

int
config_set_check_name(const char *name, struct err *err)
{
	if (name != NULL &&
	    text_is_of(slice_of(name), NAME_SET, CONFIG_SET_NAME_MAX))
		return OK;
	err_set(err, ERR_INVALID, "Invalid configuration set name <%.64s>: "
	    "only alphanumeric ASCII characters, '_' and '-' are allowed, "
	    "at most %d.", name != NULL ? name : "", CONFIG_SET_NAME_MAX);
	err_field(err, "ConfigurationSetName");
	return ERR_INVALID;
}

int
config_set_not_found(const char *name, struct err *err)
{
	err_set(err, ERR_NO_CONFIG_SET,
	    "Configuration set <%.64s> does not exist.", name);
	err_subject(err, name);
	return ERR_NO_CONFIG_SET;
}
