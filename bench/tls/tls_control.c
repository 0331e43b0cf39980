/* SPDX-License-Identifier: Apache-2.0 */
/* JSON lines over a socket; see tls_control.h. */
#include "bench/tls/tls_control.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bench/tls/tls_conn.h"

void tls_control_init(struct tls_control *c, int fd)
{
	int on = 1;

	c->fd = fd;
	c->have = 0;
	/* Each line wants its answer at once. */
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
}

void tls_control_close(struct tls_control *c)
{
	if (c->fd >= 0)
		close(c->fd);
	c->fd = -1;
}

int tls_control_say(struct tls_control *c, json_t *object)
{
	char *text = object ? json_dumps(object, JSON_COMPACT) : NULL;
	int err = text ? 0 : -ENOMEM;

	json_decref(object);
	if (text) {
		size_t len = strlen(text);

		text[len] = '\n'; /* in place of the NUL */
		err = tls_write_all(c->fd, text, len + 1);
	}
	free(text);
	return err;
}

/* Reads until there is a whole line; its length without the end, or -errno. */
static ssize_t read_line(struct tls_control *c)
{
	for (;;) {
		char *end = memchr(c->line, '\n', c->have);
		ssize_t n;

		if (end)
			return end - c->line;
		if (c->have == sizeof(c->line))
			return -EMSGSIZE;
		n = recv(c->fd, c->line + c->have, sizeof(c->line) - c->have,
			 0);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return n < 0 ? -errno : -ECONNRESET;
		c->have += (size_t)n;
	}
}

json_t *tls_control_hear(struct tls_control *c, char *error, size_t cap)
{
	ssize_t len = read_line(c);
	json_error_t why;
	json_t *object;

	error[0] = '\0';
	if (len < 0) {
		if (len != -ECONNRESET || c->have)
			snprintf(error, cap, "the other end: %s",
				 strerror((int)-len));
		return NULL;
	}
	object = json_loadb(c->line, (size_t)len, JSON_REJECT_DUPLICATES, &why);
	c->have -= (size_t)len + 1;
	memmove(c->line, c->line + len + 1, c->have);
	if (object && json_is_object(object))
		return object;
	snprintf(error, cap, "the other end does not speak our language: %s",
		 object ? "not an object" : why.text);
	json_decref(object);
	return NULL;
}

/* --- usage --- */

#define AT(field) offsetof(struct tls_usage, field)

static const struct usage_field {
	const char *key;
	size_t offset;
	size_t has; /* a bool that says whether it was counted; 0: always */
} fields[] = {
	{"wall_ns", AT(wall_ns), 0},
	{"cpu_ns", AT(cpu_ns), 0},
	{"user_ns", AT(user_ns), 0},
	{"system_ns", AT(system_ns), 0},
	{"worker_ns", AT(worker_ns), 0},
	{"kthread_ns", AT(kthread_ns), AT(has_kthread)},
	{"softirq_ns", AT(softirq_ns), AT(has_softirq)},
	{"waits", AT(waits), 0},
	{"preempted", AT(preempted), 0},
	{"workers", AT(workers), 0},
	{"instructions", AT(instructions), AT(has_instructions)},
	{"cycles", AT(cycles), AT(has_cycles)},
};
enum {
	FIELDS = sizeof(fields) / sizeof(fields[0])
};

json_t *tls_usage_pack(const struct tls_usage *usage)
{
	json_t *object = json_object();

	for (size_t i = 0; object && i < FIELDS; i++) {
		const struct usage_field *f = &fields[i];
		const char *from = (const char *)usage;
		uint64_t value;

		if (f->has && !*(const bool *)(from + f->has))
			continue;
		memcpy(&value, from + f->offset, sizeof(value));
		json_object_set_new(object, f->key,
				    json_integer((json_int_t)value));
	}
	return object;
}

int tls_usage_unpack(const json_t *object, struct tls_usage *usage)
{
	*usage = (struct tls_usage){0};
	for (size_t i = 0; i < FIELDS; i++) {
		const struct usage_field *f = &fields[i];
		const json_t *found = json_object_get(object, f->key);
		char *to = (char *)usage;
		uint64_t value;

		if (!found && f->has)
			continue;
		if (!json_is_integer(found) || json_integer_value(found) < 0)
			return -EINVAL;
		value = (uint64_t)json_integer_value(found);
		memcpy(to + f->offset, &value, sizeof(value));
		if (f->has)
			*(bool *)(to + f->has) = true;
	}
	return 0;
}
