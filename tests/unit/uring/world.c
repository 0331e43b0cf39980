/* SPDX-License-Identifier: Apache-2.0 */
/* The ring under test; see world.h. */
#include "tests/unit/uring/world.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "uring/uring_internal.h"

static const struct world_kind kinds[] = {
	{"real best", URING_LEVEL_BEST, false},
	{"real 6.1", URING_LEVEL_6_1, false},
	{"real 5.19", URING_LEVEL_5_19, false},
	{"real 5.10", URING_LEVEL_5_10, false},
	{"fake best", URING_LEVEL_BEST, true},
	{"fake 5.19", URING_LEVEL_5_19, true},
	{"fake 5.10", URING_LEVEL_5_10, true},
};

enum {
	KINDS = sizeof(kinds) / sizeof(kinds[0])
};

const struct world_kind *world_kind(const struct world *world)
{
	for (unsigned i = 0; i < KINDS; i++)
		if (kinds[i].level == world->level &&
		    kinds[i].fake == (world->fake != NULL))
			return &kinds[i];
	abort();
}

static void record_event(void *owner, const struct uring_event *event)
{
	struct world_tag *tag = owner;
	struct world *world = tag->world;
	struct record *record;
	struct uring_buf buf = event->buf;

	if (world->count == WORLD_LOG)
		abort();
	record = &world->log[world->count++];
	*record = (struct record){
		.tag = tag->tag,
		.kind = event->kind,
		.res = event->res,
		.more = event->more,
		.in_call = !world->turning,
		.len = buf.len,
		.has_control = event->control != NULL,
		.control_len = event->control_len,
		.msg_flags = event->msg_flags,
	};
	if (buf.data)
		memcpy(record->data, buf.data,
		       buf.len < WORLD_DATA ? buf.len : WORLD_DATA);
	if (event->control_len > 0)
		memcpy(record->control, event->control, event->control_len);
	if (world->keep_buffers && buf.data)
		world->kept[world->kept_count++] = buf;
	else
		uring_buf_return(&buf);
	if (world->then)
		world->then(world, event, record);
}

struct uring_target world_target(struct world *world, int tag)
{
	assert_in_range(tag, 0, WORLD_TAGS - 1);
	world->tags[tag] = (struct world_tag){world, tag};
	return (struct uring_target){record_event, &world->tags[tag]};
}

struct world *world_new(const struct world_kind *kind,
			struct uring_config config,
			struct uring_fake_config fake)
{
	struct world *world = calloc(1, sizeof(*world));
	char reason[512];
	int err;

	world->log = calloc(WORLD_LOG, sizeof(*world->log));
	world->level = kind->level;
	config.level = kind->level;
	if (kind->fake) {
		fake.level = kind->level;
		if (uring_fake_create(&fake, &world->fake) != 0)
			abort();
		config.backend = uring_fake_backend(world->fake);
		config.clock = uring_fake_clock(world->fake);
	}
	err = uring_create(&config, &world->ring);
	if (err)
		fail_msg("uring_create: %d: %s", err,
			 uring_blocked_reason(err, reason, sizeof(reason)));
	return world;
}

void world_free(struct world *world)
{
	uring_destroy(&world->ring);
	free(world->log);
	free(world);
}

int world_setup(void **state)
{
	const struct world_kind *kind = *state;

	*state = world_new(kind, (struct uring_config){0},
			   (struct uring_fake_config){.seed = 1});
	return 0;
}

/* Every test ends with nothing in flight and no completion unaccounted for. */
static int complain(const struct world *world)
{
	int bad = 0;

	if (uring_inflight(world->ring) != 0)
		bad = fprintf(stderr, "# left in flight: %u\n",
			      uring_inflight(world->ring));
	if (uring_stats(world->ring)->stale != 0)
		bad = fprintf(stderr, "# stale completions\n");
	if (world->ring->groups)
		bad = fprintf(stderr, "# left a buffer group\n");
	if (world->ring->in_turn)
		bad = fprintf(stderr, "# left in a turn\n");
	for (unsigned i = 0; i < world->count; i++)
		if (world->log[i].in_call)
			bad = fprintf(stderr, "# event inside a call\n");
	return bad;
}

int world_teardown(void **state)
{
	struct world *world = *state;

	/* After a failure the ring can't be destroyed in order: leave it. */
	if (complain(world))
		return -1;
	world_free(world);
	return 0;
}

static size_t add_tests(struct CMUnitTest *to, const struct world_test *tests,
			size_t count, const struct world_kind *kind)
{
	size_t n = 0;
	char *name;

	for (size_t i = 0; i < count; i++) {
		if (!(tests[i].which &
		      (kind->fake ? WORLDS_FAKE : WORLDS_REAL)))
			continue;
		if (asprintf(&name, "%s [%s]", tests[i].name, kind->name) < 0)
			abort();
		to[n++] = (struct CMUnitTest){
			.name = name,
			.test_func = tests[i].run,
			.setup_func = world_setup,
			.teardown_func = world_teardown,
			.initial_state = (void *)(uintptr_t)kind,
		};
	}
	return n;
}

int run_worlds(const char *group, const struct world_test *tests, size_t count)
{
	struct CMUnitTest *all = calloc(KINDS * count, sizeof(*all));
	size_t n = 0;
	int failed;

	for (unsigned i = 0; i < KINDS; i++)
		n += add_tests(all + n, tests, count, &kinds[i]);
	failed = _cmocka_run_group_tests(group, all, n, NULL, NULL);
	for (size_t i = 0; i < n; i++)
		free((void *)(uintptr_t)all[i].name);
	free(all);
	return failed;
}

void world_turn(struct world *world, uint64_t wait_ns)
{
	int ret;

	world->turning = true;
	ret = uring_turn(world->ring, wait_ns);
	world->turning = false;
	if (ret < 0)
		fail_msg("uring_turn: %d", ret);
}

void world_await(struct world *world, unsigned count)
{
	for (int i = 0; i < WORLD_PATIENCE && world->count < count; i++)
		world_turn(world, 10 * URING_MSEC);
	if (world->count < count)
		fail_msg("%u events of %u came", world->count, count);
}

void world_settle(struct world *world)
{
	for (int i = 0; i < WORLD_PATIENCE && uring_inflight(world->ring); i++)
		world_turn(world, 10 * URING_MSEC);
	assert_int_equal(uring_inflight(world->ring), 0);
}

void world_linger(struct world *world)
{
	for (int i = 0; i < 5; i++)
		world_turn(world, URING_MSEC);
}

unsigned world_records(struct world *world, int tag)
{
	unsigned n = 0;

	for (unsigned i = 0; i < world->count; i++)
		n += world->log[i].tag == tag;
	return n;
}

const struct record *world_record_n(struct world *world, int tag, unsigned nth)
{
	for (unsigned i = 0; i < world->count; i++)
		if (world->log[i].tag == tag && nth-- == 0)
			return &world->log[i];
	fail_msg("no such event of %d", tag);
	return NULL;
}

const struct record *world_record(struct world *world, int tag)
{
	assert_int_equal(world_records(world, tag), 1);
	return world_record_n(world, tag, 0);
}

void world_pair(struct world *world, int fds[2])
{
	if (world->fake)
		assert_int_equal(uring_fake_socketpair(world->fake, fds), 0);
	else
		assert_int_equal(
			socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds),
			0);
}

int world_listen(struct world *world, uint16_t *port)
{
	struct sockaddr_in addr = {.sin_family = AF_INET};
	socklen_t len = sizeof(addr);
	int fd;

	if (world->fake) {
		*port = 2525;
		return uring_fake_listen(world->fake, *port);
	}
	addr.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_true(fd >= 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
	assert_int_equal(listen(fd, 64), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&addr, &len), 0);
	*port = ntohs(addr.sin_port);
	return fd;
}

void world_tcp_pair(struct world *world, int fds[2])
{
	struct sockaddr_in addr = {.sin_family = AF_INET};
	uint16_t port;
	int listener;

	if (world->fake) {
		world_pair(world, fds);
		return;
	}
	listener = world_listen(world, &port);
	addr.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	addr.sin_port = htons(port);
	fds[1] = world_socket(world);
	assert_int_equal(
		connect(fds[1], (struct sockaddr *)&addr, sizeof(addr)), 0);
	fds[0] = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	assert_true(fds[0] >= 0);
	assert_int_equal(close(listener), 0);
}

int world_socket(struct world *world)
{
	int fd;

	if (world->fake)
		return uring_fake_socket(world->fake);
	fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_true(fd >= 0);
	return fd;
}

void world_write(struct world *world, int fd, const void *data, size_t len)
{
	ssize_t n = world->fake
			    ? uring_fake_peer_write(world->fake, fd, data, len)
			    : write(fd, data, len);

	assert_int_equal(n, len);
}

static ssize_t read_some(struct world *world, int fd, void *data, size_t len)
{
	if (world->fake)
		return uring_fake_peer_read(world->fake, fd, data, len);
	return read(fd, data, len);
}

void world_read(struct world *world, int fd, void *data, size_t len)
{
	size_t done = 0;
	ssize_t n;

	while (done < len) {
		n = read_some(world, fd, (char *)data + done, len - done);
		assert_true(n > 0);
		done += (size_t)n;
	}
}

bool world_at_eof(struct world *world, int fd)
{
	char byte;

	return read_some(world, fd, &byte, 1) == 0;
}

void world_shutdown(struct world *world, int fd)
{
	if (world->fake)
		uring_fake_peer_shutdown(world->fake, fd);
	else
		assert_int_equal(shutdown(fd, SHUT_WR), 0);
}

void world_close(struct world *world, int fd)
{
	if (world->fake)
		uring_fake_peer_close(world->fake, fd);
	else
		assert_int_equal(close(fd), 0);
}

bool aborts(void (*run)(const struct world_kind *),
	    const struct world_kind *kind)
{
	const struct rlimit no_core = {0, 0};
	int status;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0) {
		/* The assertion's message is expected, not news. */
		(void)close(STDERR_FILENO);
		(void)open("/dev/null", O_WRONLY);
		(void)setrlimit(RLIMIT_CORE, &no_core);
		(void)signal(SIGABRT, SIG_DFL);
		run(kind);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT;
}
