/* SPDX-License-Identifier: Apache-2.0 */
/* `ringpost serve`: the control thread and its workers. */
#ifndef GATEWAY_SERVE_SERVE_H
#define GATEWAY_SERVE_SERVE_H

#include "gateway/config/config.h"

/*
 * gateway_serve() - run the relay in the foreground until SIGTERM or SIGINT,
 * then finish what is in flight (a second signal, or timeouts.shutdown, ends
 * that).  SIGHUP reopens the log file.
 * @config: borrowed.  Returns a sysexits code: EX_OK after an orderly end,
 * EX_CONFIG (certificates), EX_UNAVAILABLE (address in use, no io_uring),
 * EX_CANTCREAT (spool), EX_OSERR.
 */
int gateway_serve(struct config *config);

#endif
