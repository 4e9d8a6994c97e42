/* SPDX-License-Identifier: BSD-3-Clause */
/* Any text as an entry of an address set: refused in a sentence, or what it means reads the same.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <weir/set.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool good)
{
	if (!good)
		abort();
}

static void check_entry(const struct weir_prefix *prefix, uint32_t timeout_s)
{
	const struct weir_prefix network = weir_prefix_network(prefix);
	char text[WEIR_PREFIX_TEXT], line[100];
	struct weir_prefix again;
	uint32_t again_s;
	int len = snprintf(line, sizeof(line), "%s", weir_prefix_format(prefix, text));

	must(prefix->length <= (prefix->addr.family == 4 ? 32 : 128));
	must(weir_addr_equal(&network.addr, &prefix->addr));
	if (timeout_s > 0)
		len += snprintf(line + len, sizeof(line) - (size_t)len, " timeout %us", timeout_s);
	must(weir_set_parse(line, (size_t)len, &again, &again_s, NULL) == 0);
	must(weir_addr_equal(&again.addr, &prefix->addr) && again.length == prefix->length);
	must(again_s == timeout_s);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct weir_prefix prefix;
	struct weir_why why = {0};
	uint32_t timeout_s;

	if (weir_set_parse((const char *)data, size, &prefix, &timeout_s, &why) < 0)
		must(why.text[0] != '\0');
	else if (prefix.addr.family == 0)
		must(timeout_s == 0);
	else
		check_entry(&prefix, timeout_s);
	return 0;
}
