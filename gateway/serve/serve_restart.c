/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A restart that refuses nobody: this process becomes the program that is
 * installed now (execve(2)), with its process id and its listening sockets.
 *
 * First the new program itself checks the configuration, as a child. Then
 * sessions end as at SIGTERM, while new clients wait in the sockets' backlogs.
 * The spool is closed before the new program opens it, so at no time two
 * processes have it.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "gateway/log/log.h"
#include "gateway/serve/inherited.h"
#include "gateway/serve/notify.h"
#include "gateway/serve/serve_private.h"

/* For a program to check a configuration. */
#define CHECK_SECONDS 30

char *serve_program(void)
{
	char path[4096];
	ssize_t len = readlink("/proc/self/exe", path, sizeof(path) - 1);

	if (len <= 0)
		return NULL;
	path[len] = '\0';
	return strdup(path);
}

/* --- the new program's opinion --- */

static int spawn_check(const struct serve *s, int output, pid_t *pid)
{
	char *argv[] = {s->program, (char[]){"check-config"},
			(char[]){"--config"}, s->snapshot->config->file, NULL};
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attributes;
	sigset_t none;
	int r;

	sigemptyset(&none);
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_adddup2(&actions, output, STDOUT_FILENO);
	posix_spawn_file_actions_adddup2(&actions, output, STDERR_FILENO);
	posix_spawnattr_init(&attributes);
	posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK);
	posix_spawnattr_setsigmask(&attributes, &none);
	r = posix_spawn(pid, s->program, &actions, &attributes, argv, environ);
	posix_spawnattr_destroy(&attributes);
	posix_spawn_file_actions_destroy(&actions);
	return -r;
}

/* Until it has said all, or takes too long. */
static size_t read_all(int fd, char *out, size_t room)
{
	uint64_t end = serve_monotonic() + CHECK_SECONDS * UINT64_C(1000000000);
	size_t len = 0;

	while (serve_monotonic() < end) {
		struct pollfd p = {.fd = fd, .events = POLLIN};
		char rest[512];
		bool full = len + 1 >= room;
		ssize_t n;

		if (poll(&p, 1, 1000) <= 0)
			continue;
		n = read(fd, full ? rest : out + len,
			 full ? sizeof(rest) : room - 1 - len);
		if (n <= 0)
			break;
		len += full ? 0 : (size_t)n;
	}
	out[len] = '\0';
	return len;
}

/* True: it finds nothing wrong. Otherwise @why says what. */
static bool check(const struct serve *s, char *why, size_t room)
{
	int ends[2], status = -1, r;
	pid_t pid;

	if (pipe2(ends, O_CLOEXEC) < 0) {
		snprintf(why, room, "%s", strerror(errno));
		return false;
	}
	r = spawn_check(s, ends[1], &pid);
	close(ends[1]);
	if (r < 0) {
		close(ends[0]);
		snprintf(why, room, "%s: %s%s", s->program, strerror(-r),
			 r == -EACCES || r == -EPERM
				 ? "; a sandbox may forbid to start programs, "
				   "'systemctl restart' does not need that"
				 : "");
		return false;
	}
	(void)read_all(ends[0], why, room);
	close(ends[0]);
	/* It has closed its output and ends, or has had its time. */
	for (int i = 0; i < 100 && waitpid(pid, &status, WNOHANG) == 0; i++)
		poll(NULL, 0, 10);
	if (kill(pid, SIGKILL) == 0)
		(void)waitpid(pid, &status, 0);
	return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

/* --- the restart --- */

json_t *serve_instance(const struct serve *s)
{
	return json_pack("{s:s, s:i, s:s, s:I}", "type", "done", "pid",
			 (int)getpid(), "version", RINGPOST_VERSION, "begun",
			 (json_int_t)s->begun);
}

json_t *serve_restart(struct serve *s, const char *by)
{
	char why[4096] = "";

	log_info("restart.begin", L_STR("by", by),
		 L_STR("program", s->program));
	if (!s->program)
		snprintf(why, sizeof(why), "the program's path is not known");
	else if (check(s, why, sizeof(why))) {
		s->restarting = true;
		return serve_instance(s);
	}
	log_error("restart.refused", L_STR("error", why));
	return json_pack("{s:s, s:s, s:s, s:[s]}", "type", "error", "code",
			 "config", "error",
			 "nothing was changed: the new program does not take "
			 "the configuration",
			 "mistakes", why);
}

int serve_become(struct serve *s, const char *file)
{
	char *argv[] = {s->program, (char[]){"serve"}, (char[]){"--config"},
			(char *)(uintptr_t)file, NULL};
	int *fds = calloc(s->socket_count ? s->socket_count : 1, sizeof(*fds));
	int r;

	if (!fds)
		return -ENOMEM;
	for (size_t i = 0; i < s->socket_count; i++)
		fds[i] = s->sockets[i].fd;
	r = inherited_leave(fds, s->socket_count);
	free(fds);
	if (r < 0)
		return r;
	execve(s->program, argv, environ);
	return -errno;
}
