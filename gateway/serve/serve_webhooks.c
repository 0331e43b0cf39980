/* SPDX-License-Identifier: Apache-2.0 */
/* Applications that hear of what becomes of messages. */
#include <string.h>
#include <sysexits.h>

#include "gateway/log/log.h"
#include "gateway/serve/serve_private.h"

int serve_open_webhooks(struct serve *s)
{
	const struct config_webhook *failed = NULL;
	int r = webhooks_open(s->snapshot->config, &s->webhooks, &failed);

	if (r == 0)
		return EX_OK;
	log_error("serve.webhook", L_STR("url", failed->url),
		  L_UINT("line", failed->line), L_STR("error", strerror(-r)));
	return EX_UNAVAILABLE;
}
