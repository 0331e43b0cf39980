/* SPDX-License-Identifier: Apache-2.0 */
/* Signals: taken by the control thread alone, by sigtimedwait(). */
#include <pthread.h>
#include <sys/signalfd.h>
#include <time.h>

#include "gateway/serve/serve_private.h"

void serve_take_signals(struct serve *s)
{
	signal(SIGPIPE, SIG_IGN);
	sigemptyset(&s->signals);
	sigaddset(&s->signals, SIGTERM);
	sigaddset(&s->signals, SIGINT);
	sigaddset(&s->signals, SIGHUP);
	sigaddset(&s->signals, SIGUSR2);
	pthread_sigmask(SIG_BLOCK, &s->signals, NULL);
	s->signal_fd = signalfd(-1, &s->signals, SFD_CLOEXEC | SFD_NONBLOCK);
}

/* One signal of ours, or 0 after @ns. */
int serve_wait_signal(struct serve *s, uint64_t ns)
{
	struct timespec limit = {.tv_sec = (time_t)(ns / 1000000000u),
				 .tv_nsec = (long)(ns % 1000000000u)};
	int signal;

	/* The admin interface is served while nothing else is to be done. */
	if (s->admin) {
		(void)admin_server_poll(s->admin, s->signal_fd, ns);
		limit = (struct timespec){0};
	}
	signal = sigtimedwait(&s->signals, NULL, &limit);
	return signal > 0 ? signal : 0;
}
