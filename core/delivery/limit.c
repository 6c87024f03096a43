#include "core/delivery/limit.h"

#define SECOND_US	INT64_C(1000000)

bool
limit_may_connect(const struct limit *l, int open)
{
	return l->connections == 0 || open < l->connections;
}

bool
limit_is_spent(const struct limit *l, int sent)
{
	return l->messages != 0 && sent >= l->messages;
}

int64_t
limit_take(struct limit *l, int64_t now)
{
	int64_t period, tolerance;

	if (l->rate == 0)
		return 0;
	period = SECOND_US / l->rate;
	tolerance = SECOND_US / 10 > period ? SECOND_US / 10 : period;
	if (l->tat_us < now)
		l->tat_us = now;
	if (l->tat_us + period > now + tolerance)
		return l->tat_us + period - now - tolerance;
	l->tat_us += period;
	return 0;
}
