/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

#include "sim.h"

/*
 * The table of goodput: how much of a path one connection uses, for each congestion control.
 * @name is a file with the table as it was: NULL prints the table. @return 0, or 1: it is another.
 */
int goodput(struct sim *s, const char *name);
