/*
 * number - numbers as JavaScript reads and prints them (ECMA-262 6.1.6.1.20).
 */
#ifndef POSTRIDER_TEMPLATES_NUMBER_H
#define POSTRIDER_TEMPLATES_NUMBER_H

#include <stddef.h>
#include <stdint.h>

#define TEMPLATE_NUMBER_SIZE	40

/*
 * The shortest text that reads back as v; returns its length, no NUL. out
 * has room for TEMPLATE_NUMBER_SIZE octets.
 */
size_t template_number_real(double v, char *out);

/* n octets that are known to be a JSON number. */
double template_number_parse(const char *p, size_t n);

#endif
