/* SPDX-License-Identifier: BSD-3-Clause */

/* What every kind of port has in common. */

#include <weir/port.h>

void weir_port_close(struct weir_port *p)
{
	if (p == NULL)
		return;
	p->ops->stop(p);
	p->ops->close(p);
}
