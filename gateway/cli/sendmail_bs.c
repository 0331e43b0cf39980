/* SPDX-License-Identifier: Apache-2.0 */
/* Octets to and fro between a caller's pipes and the relay's socket. */
#include "gateway/cli/sendmail_bs.h"

#include <errno.h>
#include <poll.h>
#include <sys/socket.h>
#include <sysexits.h>
#include <unistd.h>

static ssize_t read_some(int fd, char *piece, size_t room)
{
	ssize_t n;

	do {
		n = read(fd, piece, room);
	} while (n < 0 && errno == EINTR);
	return n;
}

static bool write_all(int fd, const char *piece, size_t len)
{
	while (len > 0) {
		ssize_t n = write(fd, piece, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return false;
		piece += n;
		len -= (size_t)n;
	}
	return true;
}

/* False: @from has ended, or @to is gone. */
static bool pass(int from, int to)
{
	char piece[65536];
	ssize_t n = read_some(from, piece, sizeof(piece));

	return n > 0 && write_all(to, piece, (size_t)n);
}

int sendmail_bs(const struct hand_in *what)
{
	int code = EX_TEMPFAIL, fd = hand_in_connect(what, &code);
	struct pollfd fds[] = {
		{.fd = fd, .events = POLLIN},
		{.fd = STDIN_FILENO, .events = POLLIN},
	};

	if (fd < 0)
		return code;
	while (poll(fds, 2, -1) >= 0 || errno == EINTR) {
		if (fds[0].revents && !pass(fd, STDOUT_FILENO))
			break;
		/* What the relay has still to say is waited for. */
		if (fds[1].revents && !pass(STDIN_FILENO, fd)) {
			(void)shutdown(fd, SHUT_WR);
			fds[1].fd = -1;
			fds[1].revents = 0;
		}
	}
	close(fd);
	return EX_OK;
}
