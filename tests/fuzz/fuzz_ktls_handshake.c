/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any octets as a peer's handshake: records to an engine, server or client by
 * the first octet.  A record's header is taken from the input when it is one
 * that the stream would let through, so that the parsers behind it are met.
 */
#include <assert.h>
#include <stdlib.h>

#include "ktls/ktls_engine.h"
#include "tests/fuzz/fuzz.h"
#include "tests/support/test_cert.h"

static struct ktls_ctx *server_ctx, *client_ctx;

static void make_contexts(void)
{
	static struct test_certs certs;
	struct ktls_cert_files files;
	struct ktls_ctx_config server = {.role = KTLS_SERVER,
					 .certs = &files,
					 .cert_count = 1,
					 .tickets = 1};
	struct ktls_ctx_config client = {.role = KTLS_CLIENT};
	struct ktls_error error;
	int r;

	test_certs_open(&certs);
	test_certs_make_simple(&certs, "server", "fuzz.example.test");
	files.certificate = test_certs_path(&certs, "server.pem");
	files.key = test_certs_path(&certs, "server.key");
	r = ktls_ctx_create(&server, &server_ctx, &error);
	assert(r == 0);
	r = ktls_ctx_create(&client, &client_ctx, &error);
	assert(r == 0);
	test_certs_close(&certs);
}

static enum ktls_step feed(struct ktls_engine *engine, const uint8_t *data,
			   size_t size, size_t *used)
{
	unsigned char record[KTLS_RECORD_HEADER + KTLS_RECORD_WIRE_MAX];
	size_t len = ((size_t)data[1] << 8 | data[2]) % 2048;

	if (len > size - 3)
		len = size - 3;
	/* content type, version, length, text */
	record[0] = (unsigned char)(20 + data[0] % 4);
	record[1] = 3;
	record[2] = 3;
	record[3] = (unsigned char)(len >> 8);
	record[4] = (unsigned char)len;
	for (size_t i = 0; i < len; i++)
		record[KTLS_RECORD_HEADER + i] = data[3 + i];
	*used = 3 + len;
	return ktls_engine_feed(engine, record, KTLS_RECORD_HEADER + len);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct ktls_engine *engine;
	enum ktls_step step;
	size_t at = 1, used, len;
	int r;

	if (size == 0)
		return 0;
	if (!server_ctx)
		make_contexts();
	r = ktls_engine_create(data[0] & 1 ? client_ctx : server_ctx, NULL,
			       &engine);
	assert(r == 0);
	step = ktls_engine_start(engine);
	while (step == KTLS_STEP_MORE && size - at >= 3) {
		step = feed(engine, data + at, size - at, &used);
		at += used;
		(void)ktls_engine_output(engine, &len);
		ktls_engine_output_drop(engine, len);
	}
	/* Nobody completes a handshake by chance. */
	assert(step != KTLS_STEP_DONE);
	if (step == KTLS_STEP_FAILED)
		assert(ktls_engine_error(engine)[0] != '\0');
	ktls_engine_free(&engine);
	return 0;
}
