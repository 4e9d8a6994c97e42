/* SPDX-License-Identifier: BSD-3-Clause */

/* weir-bench: makes, takes, forwards and judges packets as fast as a port can; testpmd's place. */

#include "bench_priv.h"

int main(int argc, char **argv)
{
	return weir_app_main(&bench_app, argc, argv);
}
