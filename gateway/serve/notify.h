/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the service manager is told (sd_notify(3)): datagrams to the socket
 * that $NOTIFY_SOCKET names, by a protocol that systemd promises to keep.
 * Without that variable nothing happens.
 */
#ifndef GATEWAY_SERVE_NOTIFY_H
#define GATEWAY_SERVE_NOTIFY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* notify() - @format gives lines like "READY=1\nSTATUS=..."; at most 1 KiB.
 * Returns whether somebody listens. */
bool notify(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* notify_reloading() - RELOADING, with the time that Type=notify-reload asks
 * for; a READY must follow. */
void notify_reloading(void);
/* notify_fd() - put a copy of @fd aside in the manager's store under @name,
 * until the service is stopped for good; notify_fd_gone() - all of that name
 * are needed no more. */
void notify_fd(int fd, const char *name);
void notify_fd_gone(const char *name);
/* notify_watchdog() - ns within which a sign of life must come; 0: none. */
uint64_t notify_watchdog(void);

#endif
