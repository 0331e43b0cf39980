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

static const struct usage_field {
	const char *key;
	size_t offset;
} fields[] = {
	{"wall_ns", offsetof(struct tls_usage, wall_ns)},
	{"cpu_ns", offsetof(struct tls_usage, cpu_ns)},
	{"user_ns", offsetof(struct tls_usage, user_ns)},
	{"system_ns", offsetof(struct tls_usage, system_ns)},
	{"worker_ns", offsetof(struct tls_usage, worker_ns)},
	{"kthread_ns", offsetof(struct tls_usage, kthread_ns)},
	{"softirq_ns", offsetof(struct tls_usage, softirq_ns)},
	{"waits", offsetof(struct tls_usage, waits)},
	{"preempted", offsetof(struct tls_usage, preempted)},
	{"workers", offsetof(struct tls_usage, workers)},
	{"instructions", offsetof(struct tls_usage, instructions)},
	{"cycles", offsetof(struct tls_usage, cycles)},
};
enum {
	FIELDS = sizeof(fields) / sizeof(fields[0])
};

static bool known(const struct tls_usage *u, const char *key)
{
	if (!strcmp(key, "instructions"))
		return u->has_instructions;
	return strcmp(key, "cycles") || u->has_cycles;
}

json_t *tls_usage_pack(const struct tls_usage *usage)
{
	json_t *object = json_object();

	for (size_t i = 0; object && i < FIELDS; i++) {
		uint64_t value =
			*(const uint64_t *)(const void *)((const char *)usage +
							  fields[i].offset);

		if (known(usage, fields[i].key))
			json_object_set_new(object, fields[i].key,
					    json_integer((json_int_t)value));
	}
	return object;
}

int tls_usage_unpack(const json_t *object, struct tls_usage *usage)
{
	*usage = (struct tls_usage){0};
	for (size_t i = 0; i < FIELDS; i++) {
		const json_t *value = json_object_get(object, fields[i].key);
		bool counted = !strcmp(fields[i].key, "instructions") ||
			       !strcmp(fields[i].key, "cycles");

		if (!value && counted)
			continue;
		if (!json_is_integer(value) || json_integer_value(value) < 0)
			return -EINVAL;
		*(uint64_t *)(void *)((char *)usage + fields[i].offset) =
			(uint64_t)json_integer_value(value);
	}
	usage->has_instructions = json_object_get(object, "instructions");
	usage->has_cycles = json_object_get(object, "cycles");
	return 0;
}
