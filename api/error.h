/*
 * error - one table: code → HTTP status, SES v2 name, SES v1 code.
 */
#ifndef POSTRIDER_API_ERROR_H
#define POSTRIDER_API_ERROR_H

struct api_error {
	int code;			/* ERR_* */
	int status2, status1;		/* HTTP status for v2 and v1 */
	const char *v2;			/* "NotFoundException" */
	const char *v1;			/* "TemplateDoesNotExist" */
	const char *v1_member;		/* child of <Error> that names the subject:
					   "TemplateName"; or NULL */
};

/* Never NULL: unknown codes are the internal failure. */
const struct api_error *api_error_of(int code);

#endif
