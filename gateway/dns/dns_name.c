/* SPDX-License-Identifier: Apache-2.0 */
/* Names: of people, on the wire, and addresses in their stead. */
#include <arpa/inet.h>
#include <ctype.h>
#include <idn2.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "gateway/dns/dns_private.h"

#define LABEL_MAX 63

/* Labels of 1 to 63 octets, 253 in all; lower case. */
static bool tidy(char *name)
{
	size_t len = strlen(name), label = 0;

	if (len > 0 && name[len - 1] == '.')
		name[--len] = '\0';
	if (len == 0 || len > DNS_NAME_MAX)
		return false;
	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)name[i];

		label = c == '.' ? 0 : label + 1;
		if (label > LABEL_MAX ||
		    (c == '.' && (i == 0 || name[i - 1] == '.')) || c <= ' ' ||
		    c >= 0x7f)
			return false;
		name[i] = (char)tolower(c);
	}
	return true;
}

static bool is_ascii(const char *text)
{
	for (; *text; text++)
		if ((unsigned char)*text >= 0x80)
			return false;
	return true;
}

bool dns_name_ascii(char *name, size_t room)
{
	uint8_t *ascii = NULL;
	bool good;

	if (is_ascii(name))
		return tidy(name);
	/* RFC 5891: U-labels to A-labels. */
	if (idn2_lookup_u8((const uint8_t *)name, &ascii,
			   IDN2_NFC_INPUT | IDN2_NONTRANSITIONAL) != IDN2_OK)
		return false;
	good = strlen((char *)ascii) < room;
	if (good)
		memcpy(name, ascii, strlen((char *)ascii) + 1);
	idn2_free(ascii);
	return good && tidy(name);
}

bool dns_address_parse(const char *host, uint16_t port, struct dns_address *out)
{
	memset(out, 0, sizeof(*out));
	if (inet_pton(AF_INET, host, &out->v4.sin_addr) == 1) {
		out->v4.sin_family = AF_INET;
		out->v4.sin_port = htons(port);
		return true;
	}
	if (inet_pton(AF_INET6, host, &out->v6.sin6_addr) != 1)
		return false;
	out->v6.sin6_family = AF_INET6;
	out->v6.sin6_port = htons(port);
	return true;
}

bool dns_name_literal(const char *name, uint16_t port, struct dns_address *out)
{
	size_t len = strlen(name);
	char text[INET6_ADDRSTRLEN + 8];

	if (len < 2 || len - 2 >= sizeof(text) || name[0] != '[' ||
	    name[len - 1] != ']')
		return false;
	memcpy(text, name + 1, len - 2);
	text[len - 2] = '\0';
	if (strncasecmp(text, "IPv6:", 5) == 0)
		return dns_address_parse(text + 5, port, out) &&
		       out->any.sa_family == AF_INET6;
	return dns_address_parse(text, port, out) &&
	       out->any.sa_family == AF_INET;
}

bool dns_name_read(const unsigned char *wire, size_t len,
		   char out[DNS_NAME_MAX + 1])
{
	size_t at = 0, used = 0;

	while (at < len && wire[at] != 0) {
		size_t label = wire[at++];

		if (label > LABEL_MAX || label > len - at ||
		    used + label + 1 > DNS_NAME_MAX + 1)
			return false;
		for (size_t i = 0; i < label; i++)
			if (wire[at + i] == '.' || wire[at + i] == '\0')
				return false;
		memcpy(out + used, wire + at, label);
		at += label;
		used += label;
		out[used++] = '.';
	}
	if (at >= len) /* the root's empty label is missing */
		return false;
	if (used == 0) {
		out[0] = '\0';
		return true;
	}
	out[used - 1] = '\0';
	return tidy(out);
}
