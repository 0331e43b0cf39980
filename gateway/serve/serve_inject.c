/* SPDX-License-Identifier: Apache-2.0 */
/* The socket for mail of this machine's own programs. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "gateway/log/log.h"
#include "gateway/serve/serve_private.h"

int serve_open_inject(struct serve *s)
{
	const char *path = s->snapshot->config->inject.socket;
	struct inject_door_config config = {
		.path = path,
		.desks = calloc(s->started, sizeof(struct inject_desk *)),
		.desk_count = s->started,
	};
	int r = config.desks ? 0 : -ENOMEM;

	for (unsigned i = 0; r == 0 && i < s->started; i++)
		config.desks[i] = worker_desk(s->workers[i]);
	if (r == 0)
		r = inject_door_open(&config, &s->door);
	free(config.desks);
	if (r == 0)
		return EX_OK;
	log_error("serve.inject", L_STR("socket", path),
		  L_STR("error", strerror(-r)));
	return EX_CANTCREAT;
}
