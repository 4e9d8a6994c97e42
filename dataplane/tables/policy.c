/* SPDX-License-Identifier: BSD-3-Clause */

/* Who holds a policy. */

#include <weir/policy.h>

struct weir_policy *weir_policy_hold(struct weir_policy *p)
{
	if (p != NULL)
		p->refs++;
	return p;
}

void weir_policy_release(struct weir_policy *p)
{
	if (p != NULL && --p->refs == 0)
		p->free(p);
}
