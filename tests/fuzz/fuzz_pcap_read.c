/* SPDX-License-Identifier: BSD-3-Clause */
/* Whatever a capture file says, its packets lie in memory and its end is the end or a sentence. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <weir/pcap_read.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

static uint32_t sum; /* so that every byte is read */

static void look(const struct weir_pcap_packet *p, uint64_t *offset)
{
	if (p->captured_bytes > WEIR_PCAP_BYTES_MAX || p->captured_bytes > p->wire_bytes ||
	    strlen(p->interface) >= WEIR_PCAP_NAME_LEN || p->offset <= *offset)
		abort();
	*offset = p->offset;
	for (uint32_t i = 0; i < p->captured_bytes; i++)
		sum += p->data[i];
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	struct weir_pcap_packet packet;
	struct weir_pcap *p = NULL;
	struct weir_why why = {""};
	uint64_t offset = 0;
	FILE *f;
	int rc;

	if (bytes == 0)
		return 0;
	f = fmemopen((void *)(uintptr_t)data, bytes, "r");
	if (f == NULL)
		abort();
	rc = weir_pcap_take(f, "f", &p, &why);
	while (rc == 0 && (rc = weir_pcap_next(p, &packet, &why)) == 1) {
		look(&packet, &offset);
		rc = 0;
	}
	if ((rc < 0) != (why.text[0] != '\0'))
		abort();
	weir_pcap_close(p);
	return 0;
}
