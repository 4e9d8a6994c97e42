/* SPDX-License-Identifier: BSD-3-Clause */
/* rte_flow's operations on a port: what is made is found, counted, and gone when it is taken out.
 */
#include "dev_priv.h"
#include "failalloc.h"
#include "test.h"
#include "toy_steer.h"

#include <rte_flow_driver.h>

static struct rte_eth_dev dev;
static bool is_secondary;
static struct rte_flow_error error;

struct steer *xdp_steer_of(const struct rte_eth_dev *of)
{
	CU_ASSERT_PTR_EQUAL(of, &dev);
	return is_secondary ? NULL : toy;
}

/* As a started port does it. */
void xdp_marks_needed(struct rte_eth_dev *of)
{
	CU_ASSERT_PTR_EQUAL(of, &dev);
	if (steer_is_attached(toy))
		steer_config(toy)->meta = 1;
}

/* A rule for UDP to a port that drops and counts. */
struct toy_rule {
	struct rte_flow_attr attr;
	struct rte_flow_item_udp udp;
	struct rte_flow_item items[3];
	struct rte_flow_action_mark mark;
	struct rte_flow_action actions[4];
};

static void make_rule(struct toy_rule *r, uint16_t port)
{
	*r = (struct toy_rule){
		.attr = {.ingress = 1},
		.udp = {.hdr.dst_port = htons(port)},
		.items = {{.type = RTE_FLOW_ITEM_TYPE_IPV4},
			  {.type = RTE_FLOW_ITEM_TYPE_UDP,
			   .spec = &r->udp,
			   .mask = &rte_flow_item_udp_mask},
			  {.type = RTE_FLOW_ITEM_TYPE_END}},
		.actions = {{.type = RTE_FLOW_ACTION_TYPE_COUNT},
			    {.type = RTE_FLOW_ACTION_TYPE_DROP},
			    {.type = RTE_FLOW_ACTION_TYPE_END}},
	};
	r->udp.hdr.src_port = htons(9);
}

static struct rte_flow *create(uint16_t port)
{
	struct toy_rule r;

	make_rule(&r, port);
	rte_errno = 0;
	return xdp_flow_ops.create(&dev, &r.attr, r.items, r.actions, &error);
}

static int validate(uint16_t port)
{
	struct toy_rule r;

	make_rule(&r, port);
	return xdp_flow_ops.validate(&dev, &r.attr, r.items, r.actions, &error);
}

static int to_port(uint16_t port)
{
	const struct frame f = frame_flow(17, "192.0.2.1", 9, "192.0.2.2", port);

	return toy_run(&f).action;
}

static struct rte_flow_query_count count_of(struct rte_flow *flow, bool reset)
{
	const struct rte_flow_action count = {.type = RTE_FLOW_ACTION_TYPE_COUNT};
	struct rte_flow_query_count found = {.reset = reset};

	CU_ASSERT_EQUAL(xdp_flow_ops.query(&dev, flow, &count, &found, &error), 0);
	CU_ASSERT_TRUE(found.hits_set && found.bytes_set);
	return found;
}

static void test_a_rule_works_from_its_making_to_its_end(void)
{
	struct rte_flow *flow;

	toy_config();
	CU_ASSERT_EQUAL(validate(53), 0);
	CU_ASSERT_EQUAL(to_port(53), XDP_REDIRECT);
	flow = create(53);
	CU_ASSERT_PTR_NOT_NULL_FATAL(flow);
	CU_ASSERT_EQUAL(to_port(53), XDP_DROP);
	CU_ASSERT_EQUAL(to_port(54), XDP_REDIRECT);
	CU_ASSERT_EQUAL(validate(53), -EEXIST);
	CU_ASSERT_PTR_NULL(create(53));
	CU_ASSERT_EQUAL(rte_errno, EEXIST);
	CU_ASSERT_EQUAL(xdp_flow_ops.destroy(&dev, flow, &error), 0);
	CU_ASSERT_EQUAL(to_port(53), XDP_REDIRECT);
	CU_ASSERT_EQUAL(xdp_flow_ops.destroy(&dev, flow, &error), -EINVAL);
	CU_ASSERT_EQUAL(error.type, RTE_FLOW_ERROR_TYPE_HANDLE);
}

static void test_a_rule_tells_what_it_counted_since_its_reset(void)
{
	struct rte_flow *flow;
	struct rte_flow_query_count count;

	toy_config();
	flow = create(53);
	CU_ASSERT_PTR_NOT_NULL_FATAL(flow);
	CU_ASSERT_EQUAL(count_of(flow, false).hits, 0);
	to_port(53);
	to_port(53);
	count = count_of(flow, true);
	CU_ASSERT_EQUAL(count.hits, 2);
	CU_ASSERT_EQUAL(count.bytes, 2 * 54);
	CU_ASSERT_EQUAL(count_of(flow, false).hits, 0);
	to_port(53);
	CU_ASSERT_EQUAL(count_of(flow, false).hits, 1);
}

static void test_only_a_counting_rule_of_this_port_can_be_asked(void)
{
	const struct rte_flow_action count = {.type = RTE_FLOW_ACTION_TYPE_COUNT},
				     age = {.type = RTE_FLOW_ACTION_TYPE_AGE};
	struct rte_flow_query_count found;
	struct toy_rule r;
	struct rte_flow *flow;

	toy_config();
	make_rule(&r, 53);
	flow = xdp_flow_ops.create(&dev, &r.attr, r.items, &r.actions[1], &error);
	CU_ASSERT_PTR_NOT_NULL_FATAL(flow);
	CU_ASSERT_EQUAL(xdp_flow_ops.query(&dev, flow, &count, &found, &error), -ENOTSUP);
	CU_ASSERT_EQUAL(xdp_flow_ops.query(&dev, flow, &age, &found, &error), -ENOTSUP);
	CU_ASSERT_EQUAL(xdp_flow_ops.query(&dev, flow + 1, &count, &found, &error), -EINVAL);
	CU_ASSERT_EQUAL(xdp_flow_ops.query(&dev, NULL, &count, &found, &error), -EINVAL);
	CU_ASSERT_EQUAL(
		xdp_flow_ops.query(&dev, (void *)((char *)flow + 1), &count, &found, &error),
		-EINVAL);
	CU_ASSERT_EQUAL(xdp_flow_ops.destroy(&dev, (void *)&r, &error), -EINVAL);
}

static void test_a_flush_takes_out_flow_rules_and_leaves_words(void)
{
	struct steer_config *config = toy_config();
	struct rte_flow *flow = NULL;

	CU_ASSERT_EQUAL(steer_words(toy, "kernel:udp/60"), 0);
	for (uint16_t port = 50; port < 60; port++)
		CU_ASSERT_PTR_NOT_NULL(flow = create(port));
	CU_ASSERT_EQUAL(xdp_flow_ops.flush(&dev, &error), 0);
	CU_ASSERT_EQUAL(to_port(55), XDP_REDIRECT);
	CU_ASSERT_EQUAL(to_port(60), XDP_PASS);
	CU_ASSERT_EQUAL(toy->table.n_rules, 2);
	CU_ASSERT_EQUAL(xdp_flow_ops.destroy(&dev, flow, &error), -EINVAL);
	CU_ASSERT_EQUAL(xdp_flow_ops.flush(&dev, &error), 0);
	config->keep_host = 0;
}

static void test_an_isolated_port_has_only_what_rules_name(void)
{
	const struct rte_flow_action_queue queue = {.index = 3};
	struct toy_rule r;

	toy_config();
	make_rule(&r, 53);
	r.actions[1] = (struct rte_flow_action){RTE_FLOW_ACTION_TYPE_QUEUE, &queue};
	CU_ASSERT_PTR_NOT_NULL(xdp_flow_ops.create(&dev, &r.attr, r.items, r.actions, &error));
	CU_ASSERT_EQUAL(xdp_flow_ops.isolate(&dev, 1, &error), 0);
	CU_ASSERT_EQUAL(to_port(53), XDP_REDIRECT);
	CU_ASSERT_EQUAL(to_port(54), XDP_PASS);
	CU_ASSERT_EQUAL(xdp_flow_ops.isolate(&dev, 0, &error), 0);
	CU_ASSERT_EQUAL(to_port(54), XDP_REDIRECT);
}

static void test_a_running_port_refuses_queues_that_it_does_not_have(void)
{
	const struct steer_want want = {.skb = true};
	const struct rte_flow_action_queue queue = {.index = TOY_QUEUES};
	struct steer_got got;
	struct toy_rule r;

	toy_config();
	make_rule(&r, 53);
	r.actions[1] = (struct rte_flow_action){RTE_FLOW_ACTION_TYPE_QUEUE, &queue};
	CU_ASSERT_EQUAL_FATAL(steer_attach(toy, &want, &got), 0);
	CU_ASSERT_EQUAL(xdp_flow_ops.validate(&dev, &r.attr, r.items, r.actions, &error), -ENOTSUP);
	steer_detach(toy);
	CU_ASSERT_PTR_NOT_NULL(xdp_flow_ops.create(&dev, &r.attr, r.items, r.actions, &error));
	CU_ASSERT_EQUAL(steer_attach(toy, &want, &got), -EINVAL);
	steer_queues(toy, TOY_QUEUES + 1);
	CU_ASSERT_EQUAL(steer_attach(toy, &want, &got), 0);
	steer_detach(toy);
}

static void test_a_mark_turns_metadata_on_and_needs_it_at_the_start(void)
{
	const struct steer_want want = {.skb = true};
	const struct rte_flow_action_queue queue = {.index = 1};
	struct steer_config *config = toy_config();
	struct steer_got got;
	struct toy_rule r;

	make_rule(&r, 53);
	r.actions[0] = (struct rte_flow_action){RTE_FLOW_ACTION_TYPE_MARK, &r.mark};
	r.actions[1] = (struct rte_flow_action){RTE_FLOW_ACTION_TYPE_QUEUE, &queue};
	config->meta = 0;
	CU_ASSERT_EQUAL_FATAL(steer_attach(toy, &want, &got), 0);
	CU_ASSERT_EQUAL(xdp_flow_ops.validate(&dev, &r.attr, r.items, r.actions, &error), 0);
	CU_ASSERT_EQUAL(config->meta, 0);
	CU_ASSERT_PTR_NOT_NULL(xdp_flow_ops.create(&dev, &r.attr, r.items, r.actions, &error));
	CU_ASSERT_EQUAL(config->meta, 1);
	steer_detach(toy);
	config->meta = 0;
	CU_ASSERT_EQUAL(steer_attach(toy, &want, &got), -EINVAL);
	config->meta = 1;
	CU_ASSERT_EQUAL(steer_attach(toy, &want, &got), 0);
	steer_detach(toy);
}

static void test_another_process_is_told_who_may(void)
{
	struct rte_flow *flow;

	toy_config();
	flow = create(53);
	is_secondary = true;
	CU_ASSERT_EQUAL(validate(54), -ENOTSUP);
	CU_ASSERT_PTR_NULL(create(54));
	CU_ASSERT_EQUAL(rte_errno, ENOTSUP);
	CU_ASSERT_EQUAL(xdp_flow_ops.destroy(&dev, flow, &error), -ENOTSUP);
	CU_ASSERT_EQUAL(xdp_flow_ops.flush(&dev, &error), -ENOTSUP);
	CU_ASSERT_EQUAL(xdp_flow_ops.isolate(&dev, 1, &error), -ENOTSUP);
	CU_ASSERT_EQUAL(xdp_flow_ops.query(&dev, flow, NULL, NULL, &error), -ENOTSUP);
	is_secondary = false;
}

static void test_a_full_table_refuses_and_flushes(void)
{
	unsigned n = 0;

	toy_config();
	while (n < STEER_RULES && create((uint16_t)n) != NULL)
		n++;
	CU_ASSERT_EQUAL(n, STEER_RULES - 1);
	CU_ASSERT_EQUAL(rte_errno, ENOSPC);
	CU_ASSERT_EQUAL(to_port(4094), XDP_DROP);
	CU_ASSERT_EQUAL(to_port(4095), XDP_REDIRECT);
	CU_ASSERT_EQUAL(xdp_flow_ops.flush(&dev, &error), 0);
	CU_ASSERT_EQUAL(to_port(4094), XDP_REDIRECT);
}

static void test_no_memory_is_told_and_leaves_nothing(void)
{
	struct steer *s = NULL;
	int rc = -ENOMEM;

	toy_config();
	FAILALLOC_EACH(n)
	{
		rc = steer_open("lo", 1, false, &s);
		if (failalloc_done())
			break;
		CU_ASSERT_EQUAL(rc, -ENOMEM);
		CU_ASSERT_PTR_NULL(s);
	}
	CU_ASSERT_EQUAL(rc, 0);
	FAILALLOC_EACH(n)
	{
		rc = steer_words(s, "kernel:arp");
		if (failalloc_done())
			break;
		CU_ASSERT_EQUAL(rc, -ENOMEM);
	}
	FAILALLOC_EACH(n)
	{
		rc = steer_owns(s, "192.0.2.1");
		if (failalloc_done())
			break;
		CU_ASSERT_EQUAL(rc, -ENOMEM);
	}
	CU_ASSERT_EQUAL(rc, 0);
	steer_close(s);
	FAILALLOC_EACH(n)
	{
		struct rte_flow *flow = create(53);

		if (failalloc_done())
			break;
		CU_ASSERT_PTR_NULL(flow);
		CU_ASSERT_EQUAL(rte_errno, ENOMEM);
	}
	steer_close(NULL);
}

WEIR_TESTS("xdp/flow", TEST(a_rule_works_from_its_making_to_its_end),
	   TEST(a_rule_tells_what_it_counted_since_its_reset),
	   TEST(only_a_counting_rule_of_this_port_can_be_asked),
	   TEST(a_flush_takes_out_flow_rules_and_leaves_words),
	   TEST(an_isolated_port_has_only_what_rules_name),
	   TEST(a_running_port_refuses_queues_that_it_does_not_have),
	   TEST(a_mark_turns_metadata_on_and_needs_it_at_the_start),
	   TEST(another_process_is_told_who_may), TEST(a_full_table_refuses_and_flushes),
	   TEST(no_memory_is_told_and_leaves_nothing))
