/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Why an engine failed, in one line.
 */
#include <assert.h>
#include <errno.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/sslerr.h>
#include <stdio.h>

#include "ktls/ktls_engine_private.h"
#include "ktls/ktls_error.h"

static bool is_verify_error(void)
{
	unsigned long code = ERR_peek_error();

	return ERR_GET_LIB(code) == ERR_LIB_SSL &&
	       ERR_GET_REASON(code) == SSL_R_CERTIFICATE_VERIFY_FAILED;
}

static void say_verify(struct ktls_engine *engine)
{
	long result = SSL_get_verify_result(engine->ssl);

	engine->fault = KTLS_FAULT_VERIFY;
	snprintf(engine->error, sizeof(engine->error),
		 "the server's certificate is not accepted for %s: %s",
		 engine->server_name ? engine->server_name : "it",
		 X509_verify_cert_error_string(result));
}

static void say_alert(struct ktls_engine *engine)
{
	engine->fault = KTLS_FAULT_ALERT;
	snprintf(engine->error, sizeof(engine->error),
		 "the peer sent the alert %s (%u)",
		 ktls_alert_name(engine->alert), engine->alert);
}

static void say_reason(struct ktls_engine *engine, const char *what)
{
	char buf[160];

	if (!what)
		what = ktls_error_openssl(buf, sizeof(buf));
	if (engine->alert_sent)
		snprintf(engine->error, sizeof(engine->error),
			 "%s; sent the alert %s (%u)", what,
			 ktls_alert_name(engine->alert), engine->alert);
	else
		snprintf(engine->error, sizeof(engine->error), "%s", what);
}

int ktls_engine_fail(struct ktls_engine *engine, enum ktls_fault fault,
		     const char *what)
{
	assert(fault != KTLS_FAULT_NONE);
	if (engine->state == ENGINE_FAILED)
		return -EPROTO;
	engine->state = ENGINE_FAILED;
	engine->fault = fault;
	if (what)
		say_reason(engine, what);
	else if (is_verify_error())
		say_verify(engine);
	else if (engine->alert_received)
		say_alert(engine);
	else
		say_reason(engine, NULL);
	ERR_clear_error();
	ktls_engine_forget(engine);
	return -EPROTO;
}
