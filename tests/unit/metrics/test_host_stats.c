/* SPDX-License-Identifier: Apache-2.0 */
/* What the process and the kernel say of themselves. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <unistd.h>

#include "gateway/metrics/host_stats.h"

static void test_tls_stat_of_a_kernel(void **state)
{
	uint64_t tls[HOST_TLS_COUNTERS] = {0};

	/* Linux 6.14; older ones have fewer lines. */
	host_tls_parse("TlsCurrTxSw                     \t3\n"
		       "TlsCurrRxSw                     \t2\n"
		       "TlsCurrTxDevice                 \t0\n"
		       "TlsTxSw                         \t12345678901\n"
		       "TlsDecryptError                 \t7\n"
		       "TlsSomethingNew                 \t9\n"
		       "TlsRxRekeyOk                    \t4\n"
		       "TlsRxRekeyReceived              \t5\n",
		       tls);
	assert_int_equal(tls[HOST_TLS_NOW_TX_SOFTWARE], 3);
	assert_int_equal(tls[HOST_TLS_NOW_RX_SOFTWARE], 2);
	assert_int_equal(tls[HOST_TLS_TX_SOFTWARE], 12345678901);
	assert_int_equal(tls[HOST_TLS_DECRYPT_ERROR], 7);
	assert_int_equal(tls[HOST_TLS_REKEY_RX_OK], 4);
	assert_int_equal(tls[HOST_TLS_REKEY_RECEIVED], 5);
	assert_int_equal(tls[HOST_TLS_RX_SOFTWARE], 0);
}

static void test_nonsense_is_no_number(void **state)
{
	uint64_t tls[HOST_TLS_COUNTERS] = {0};

	host_tls_parse("", tls);
	host_tls_parse("TlsTxSw", tls);
	host_tls_parse("TlsTxSw x\nTlsRxSw 1\n", tls);
	assert_int_equal(tls[HOST_TLS_TX_SOFTWARE], 0);
}

static void test_this_process(void **state)
{
	struct host_meter *meter = host_meter_open("/", "/proc");
	struct host_stats s;
	uint64_t fds;
	int fd;

	assert_non_null(meter);
	host_meter_read(meter, &s); /* it opens what it keeps */
	host_meter_read(meter, &s);
	assert_true(s.resident > 0 && s.resident <= s.virtual);
	assert_true(s.fds > 0 && s.fds <= s.fds_max);
	assert_true(s.started > 0);
	assert_true(s.has_space && s.space_free <= s.space);
	fds = s.fds;
	fd = dup(STDERR_FILENO);
	host_meter_read(meter, &s);
	assert_int_equal(s.fds, fds + 1);
	close(fd);
	host_meter_close(&meter);
	assert_null(meter);
}

static void test_what_is_not_there_is_not_said(void **state)
{
	struct host_meter *meter =
		host_meter_open("/nowhere/spool", "/nowhere");
	struct host_stats s;

	assert_non_null(meter);
	host_meter_read(meter, &s);
	assert_int_equal(s.resident, 0);
	assert_int_equal(s.fds, 0);
	assert_false(s.has_space);
	assert_false(s.has_tls);
	host_meter_close(&meter);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_tls_stat_of_a_kernel),
		cmocka_unit_test(test_nonsense_is_no_number),
		cmocka_unit_test(test_this_process),
		cmocka_unit_test(test_what_is_not_there_is_not_said),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
