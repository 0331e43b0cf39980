/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Names of versions, ciphers, reasons and alerts, for logs and metrics.
 */
#include "ktls/ktls_types.h"

#include <assert.h>

const char *ktls_role_name(enum ktls_role role)
{
	return role == KTLS_SERVER ? "server" : "client";
}

const char *ktls_version_name(enum ktls_version version)
{
	static const char *const names[KTLS_VERSIONS] = {
		[KTLS_VERSION_NONE] = "none",
		[KTLS_TLS_1_2] = "TLSv1.2",
		[KTLS_TLS_1_3] = "TLSv1.3",
	};

	assert((unsigned)version < KTLS_VERSIONS);
	return names[version];
}

const char *ktls_cipher_name(enum ktls_cipher cipher)
{
	static const char *const names[KTLS_CIPHERS] = {
		[KTLS_CIPHER_OTHER] = "other",
		[KTLS_AES_128_GCM] = "AES-128-GCM",
		[KTLS_AES_256_GCM] = "AES-256-GCM",
		[KTLS_CHACHA20_POLY1305] = "CHACHA20-POLY1305",
	};

	assert((unsigned)cipher < KTLS_CIPHERS);
	return names[cipher];
}

const char *ktls_direction_name(enum ktls_direction dir)
{
	assert((unsigned)dir < KTLS_DIRECTIONS);
	return dir == KTLS_TX ? "tx" : "rx";
}

/* The short word goes into logs and metrics, the sentence to an operator. */
static const struct {
	const char *name;
	const char *text;
} reasons[KTLS_REASONS] = {
	[KTLS_REASON_NONE] = {"none", "The keys are in the kernel."},
	[KTLS_REASON_POLICY] = {"policy",
				"The configuration keeps TLS in user space."},
	[KTLS_REASON_REKEYS] = {"rekeys",
				"This peer changes its keys, which the "
				"kernel's TLS could not follow."},
	[KTLS_REASON_FEW_BYTES] = {"few_bytes",
				   "So few bytes are expected that setting the "
				   "kernel up would not pay."},
	[KTLS_REASON_NO_ULP] = {"no_ulp",
				"The kernel has no TLS: its tls module is not "
				"loaded or not built."},
	[KTLS_REASON_NO_CIPHER] = {"no_cipher",
				   "The kernel's TLS lacks this cipher in this "
				   "version and direction."},
	[KTLS_REASON_CIPHER_OTHER] = {"cipher_other",
				      "The agreed cipher suite has no form in "
				      "the kernel."},
	[KTLS_REASON_VERSION] = {"version",
				 "The agreed version is neither TLS 1.2 nor "
				 "1.3."},
	[KTLS_REASON_RECORD_SIZE] = {"record_size",
				     "The peer asked for smaller records than "
				     "the kernel makes."},
	[KTLS_REASON_PENDING] = {"pending",
				 "Bytes were still inside OpenSSL when the "
				 "kernel could have taken over."},
	[KTLS_REASON_SETSOCKOPT] = {"setsockopt",
				    "The kernel refused the keys."},
	[KTLS_REASON_NOT_YET] = {"not_yet",
				 "The kernel takes over receiving after the "
				 "first reply."},
	[KTLS_REASON_PLAIN] = {"plain", "This connection has no TLS."},
};

const char *ktls_reason_name(enum ktls_reason reason)
{
	assert((unsigned)reason < KTLS_REASONS);
	return reasons[reason].name;
}

const char *ktls_reason_text(enum ktls_reason reason)
{
	assert((unsigned)reason < KTLS_REASONS);
	return reasons[reason].text;
}

const char *ktls_alert_name(uint8_t description)
{
	static const char *const names[256] = {
		[0] = "close_notify",
		[10] = "unexpected_message",
		[20] = "bad_record_mac",
		[21] = "decryption_failed",
		[22] = "record_overflow",
		[30] = "decompression_failure",
		[40] = "handshake_failure",
		[41] = "no_certificate",
		[42] = "bad_certificate",
		[43] = "unsupported_certificate",
		[44] = "certificate_revoked",
		[45] = "certificate_expired",
		[46] = "certificate_unknown",
		[47] = "illegal_parameter",
		[48] = "unknown_ca",
		[49] = "access_denied",
		[50] = "decode_error",
		[51] = "decrypt_error",
		[60] = "export_restriction",
		[70] = "protocol_version",
		[71] = "insufficient_security",
		[80] = "internal_error",
		[86] = "inappropriate_fallback",
		[90] = "user_canceled",
		[100] = "no_renegotiation",
		[109] = "missing_extension",
		[110] = "unsupported_extension",
		[111] = "certificate_unobtainable",
		[112] = "unrecognized_name",
		[113] = "bad_certificate_status_response",
		[114] = "bad_certificate_hash_value",
		[115] = "unknown_psk_identity",
		[116] = "certificate_required",
		[120] = "no_application_protocol",
	};

	return names[description] ? names[description] : "unknown alert";
}
