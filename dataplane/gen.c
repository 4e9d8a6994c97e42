/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Generations: one pointer, one store to change it, and quiescent states to know when the old one
 * may go. A worker is quiescent at the end of each pass and offline while it sleeps, so publishing
 * never waits for a sleeper.
 */

#include <weir/gen.h>

#include <errno.h>
#include <stdlib.h>

struct weir_gens {
	_Atomic(struct weir_gen *) current; /* control thread writes */
	struct rte_rcu_qsbr *rcu;
};

int weir_gens_create(unsigned workers, struct weir_gens **out)
{
	struct weir_gens *gs = calloc(1, sizeof(*gs));
	const size_t size = rte_rcu_qsbr_get_memsize(workers);

	if (gs == NULL)
		return -ENOMEM;
	gs->rcu = aligned_alloc(RTE_CACHE_LINE_SIZE, RTE_ALIGN_CEIL(size, RTE_CACHE_LINE_SIZE));
	if (gs->rcu == NULL) {
		free(gs);
		return -ENOMEM;
	}
	rte_rcu_qsbr_init(gs->rcu, workers);
	*out = gs;
	return 0;
}

static void gen_free(struct weir_gen *gen)
{
	if (gen != NULL && gen->free != NULL)
		gen->free(gen);
}

void weir_gens_free(struct weir_gens *gs)
{
	if (gs == NULL)
		return;
	gen_free(atomic_load_explicit(&gs->current, memory_order_acquire));
	free(gs->rcu);
	free(gs);
}

void weir_gens_publish(struct weir_gens *gs, struct weir_gen *fresh)
{
	struct weir_gen *old = atomic_load_explicit(&gs->current, memory_order_acquire);

	fresh->number = old == NULL ? 1 : old->number + 1;
	atomic_store_explicit(&gs->current, fresh, memory_order_release);
	weir_gens_synchronize(gs);
	gen_free(old);
}

void weir_gens_synchronize(struct weir_gens *gs)
{
	rte_rcu_qsbr_synchronize(gs->rcu, RTE_QSBR_THRID_INVALID);
}

const struct weir_gen *weir_gens_current(const struct weir_gens *gs)
{
	return atomic_load_explicit(&gs->current, memory_order_acquire);
}

void weir_gens_join(struct weir_gens *gs, unsigned worker)
{
	rte_rcu_qsbr_thread_register(gs->rcu, worker);
	rte_rcu_qsbr_thread_online(gs->rcu, worker);
}

const struct weir_gen *weir_gens_enter(const struct weir_gens *gs)
{
	return atomic_load_explicit(&gs->current, memory_order_acquire);
}

void weir_gens_leave(struct weir_gens *gs, unsigned worker)
{
	rte_rcu_qsbr_quiescent(gs->rcu, worker);
}

void weir_gens_sleep(struct weir_gens *gs, unsigned worker)
{
	rte_rcu_qsbr_thread_offline(gs->rcu, worker);
}

void weir_gens_wake(struct weir_gens *gs, unsigned worker)
{
	rte_rcu_qsbr_thread_online(gs->rcu, worker);
}

void weir_gens_part(struct weir_gens *gs, unsigned worker)
{
	rte_rcu_qsbr_thread_offline(gs->rcu, worker);
	rte_rcu_qsbr_thread_unregister(gs->rcu, worker);
}
