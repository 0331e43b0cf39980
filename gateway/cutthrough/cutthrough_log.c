/* SPDX-License-Identifier: Apache-2.0 */
/* Log lines of legs. */
#include <stdio.h>

#include "gateway/cutthrough/cutthrough_leg.h"
#include "gateway/log/log.h"
#include "gateway/log/log_tls.h"
#include "uring/uring.h"

static uint64_t since_begun(const struct cutthrough_leg *leg)
{
	return uring_now(leg->hop->pool->config.env->ring) - leg->begun;
}

/* What carried the body. */
static const char *path_of(const struct cutthrough_leg *leg)
{
	return leg->spliced > 0 ? "splice" : "copy";
}

void cutthrough_log_message(struct cutthrough_leg *leg)
{
	struct log_tls words;

	log_tls_words(&leg->tls, &words);
	log_info(
		"cutthrough.sent", L_ID(leg->mail.id),
		L_STR("from", leg->mail.reverse_path),
		L_UINT("rcpts", leg->accepted),
		L_STR("next_hop", leg->hop->route->next_hop.text),
		L_STR("relay", leg->relay), L_STR("tls", words.version),
		L_STR("offload", words.offload), L_STR("why", words.why),
		L_STR("path", path_of(leg)), L_UINT("spliced", leg->spliced),
		L_UINT("copied", leg->copied),
		L_SECONDS("seconds", since_begun(leg)),
		L_UINT("code", leg->answer.code),
		L_STR("reply", leg->answer.text),
		L_STR("note", leg->fn ? NULL : "client gone before the reply"));
}

void cutthrough_log_refused(const struct cutthrough_leg *leg, const char *at)
{
	log_info("cutthrough.refused", L_ID(leg->mail.id),
		 L_STR("from", leg->mail.reverse_path),
		 L_STR("to", leg->recipient),
		 L_STR("next_hop", leg->hop->route->next_hop.text),
		 L_STR("relay", leg->relay), L_STR("at", at),
		 L_UINT("code", leg->answer.code),
		 L_STR("reply", leg->answer.text));
}

void cutthrough_log_lost(const struct cutthrough_leg *leg, const char *at)
{
	log_warning("cutthrough.lost", L_ID(leg->mail.id),
		    L_STR("from", leg->mail.reverse_path),
		    L_STR("next_hop", leg->hop->route->next_hop.text),
		    L_STR("relay", leg->relay[0] ? leg->relay : NULL),
		    L_STR("at", at), L_STR("error", leg->answer.text));
}
