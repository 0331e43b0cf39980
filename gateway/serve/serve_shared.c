/* SPDX-License-Identifier: Apache-2.0 */
/* What all workers use, whatever the configuration. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "gateway/log/log.h"
#include "gateway/queue/suspended.h"
#include "gateway/queue/throttle.h"
#include "gateway/serve/serve_private.h"

static int probe_kernel(struct serve *s)
{
	char why[512];

	s->shared.kernel = ktls_kernel_system();
	(void)ktls_caps_probe(s->shared.kernel, &s->shared.caps);
	if (s->snapshot->config->offload == KTLS_OFFLOAD_NEVER)
		log_info("serve.kernel_tls", L_STR("use", "never"),
			 L_STR("why", "offload: never"));
	else if (s->shared.caps.ulp)
		log_info("serve.kernel_tls", L_STR("use", "yes"));
	else
		log_warning("serve.kernel_tls", L_STR("use", "no"),
			    L_STR("why", ktls_caps_reason(&s->shared.caps, why,
							  sizeof(why))));
	return EX_OK;
}

static int open_suspended(struct serve *s)
{
	char *path = NULL;
	int r = asprintf(&path, "%s/suspended.json",
			 s->snapshot->config->spool.path);

	r = r < 0 ? -ENOMEM : suspended_open(path, &s->shared.suspended);
	if (r < 0)
		log_error("serve.suspended", L_STR("file", path),
			  L_STR("error", r == -EINVAL ? "damaged; mend or "
							"remove it"
						      : strerror(-r)));
	free(path);
	return r < 0 ? EX_CANTCREAT : EX_OK;
}

int serve_make_shared(struct serve *s)
{
	int r = probe_kernel(s);

	if (r == EX_OK && inbound_admission_create(&s->shared.admission) < 0)
		r = EX_OSERR;
	if (r == EX_OK && throttles_create(s->snapshot->config->workers,
					   &s->shared.throttles))
		r = EX_OSERR;
	if (r == EX_OK)
		r = open_suspended(s);
	return r;
}

void serve_unmake_shared(struct serve *s)
{
	inbound_admission_destroy(&s->shared.admission);
	throttles_destroy(&s->shared.throttles);
	suspended_close(&s->shared.suspended);
}

/* The control loop shall look at once, not at the end of its second. */
static json_t *restart(struct serve *s, const char *by)
{
	json_t *said = serve_restart(s, by);

	if (s->restarting)
		(void)kill(getpid(), SIGUSR2);
	return said;
}

static json_t *on_control(void *arg, enum admin_command command, const char *by)
{
	struct serve *s = arg;

	if (command == ADMIN_INSTANCE)
		return serve_instance(s);
	if (s->finishing || s->restarting)
		return json_pack("{s:s, s:s, s:s}", "type", "error", "code",
				 "unavailable", "error",
				 "the relay is stopping");
	if (command == ADMIN_RELOAD)
		return serve_reload(s, by);
	return restart(s, by);
}

int serve_open_admin(struct serve *s)
{
	const struct config *c = s->snapshot->config;
	struct admin_worker *workers = calloc(s->started, sizeof(*workers));
	struct admin_server_config config = {
		.path = c->admin.socket,
		.group = c->admin.group,
		.suspended = s->shared.suspended,
		.control = on_control,
		.control_arg = s,
		.meter = s->meter,
		.health = &s->health,
		.workers = workers,
		.worker_count = s->started,
	};
	const char *what = "out of memory";
	int r = workers ? 0 : -ENOMEM;

	for (unsigned i = 0; r == 0 && i < s->started; i++)
		workers[i] = worker_admin(s->workers[i]);
	if (r == 0)
		r = admin_server_open(&config, &s->admin, &what);
	free(workers);
	if (r == 0)
		return EX_OK;
	log_error("serve.admin", L_STR("socket", c->admin.socket),
		  L_STR("group", c->admin.group), L_STR("part", what),
		  L_STR("error", strerror(-r)));
	return EX_CANTCREAT;
}
