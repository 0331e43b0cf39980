/* SPDX-License-Identifier: Apache-2.0 */
/* One signed POST by libcurl. */
#include "gateway/webhook/webhook_post.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <curl/curl.h>

#include "ktls/ktls_hmac.h"

/* Of the answer's body nothing is kept, and not much of it read. */
#define ANSWER_MAX (64 * 1024)

struct webhook_post {
	CURL *curl;
	char *secret; /* owned; NULL: not signed */
	char error[CURL_ERROR_SIZE];
	size_t answered; /* octets of the answer */
	bool (*over)(void *arg);
	void *arg;
};

static size_t on_answer(char *data, size_t size, size_t count, void *arg)
{
	struct webhook_post *post = arg;

	post->answered += size * count;
	return post->answered <= ANSWER_MAX ? size * count : 0;
}

static int on_progress(void *arg, curl_off_t down_total, curl_off_t down,
		       curl_off_t up_total, curl_off_t up)
{
	const struct webhook_post *post = arg;

	return post->over(post->arg);
}

static bool set_up(struct webhook_post *post,
		   const struct config_webhook *config)
{
	CURL *c = post->curl;
	CURLcode r = curl_easy_setopt(c, CURLOPT_URL, config->url);

	/* Nowhere but where the configuration says. */
	r |= curl_easy_setopt(c, CURLOPT_PROTOCOLS_STR, "http,https");
	r |= curl_easy_setopt(c, CURLOPT_FOLLOWLOCATION, 0L);
	r |= curl_easy_setopt(c, CURLOPT_PROXY, "");
	r |= curl_easy_setopt(c, CURLOPT_NETRC, (long)CURL_NETRC_IGNORED);
	r |= curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L);
	r |= curl_easy_setopt(c, CURLOPT_SSLVERSION,
			      (long)CURL_SSLVERSION_TLSv1_2);
	r |= curl_easy_setopt(c, CURLOPT_SSL_VERIFYPEER, 1L);
	r |= curl_easy_setopt(c, CURLOPT_SSL_VERIFYHOST, 2L);
	if (config->ca_file)
		r |= curl_easy_setopt(c, CURLOPT_CAINFO, config->ca_file);
	r |= curl_easy_setopt(c, CURLOPT_USERAGENT,
			      "ringpost/" RINGPOST_VERSION);
	r |= curl_easy_setopt(c, CURLOPT_ERRORBUFFER, post->error);
	r |= curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, on_answer);
	r |= curl_easy_setopt(c, CURLOPT_WRITEDATA, post);
	r |= curl_easy_setopt(c, CURLOPT_XFERINFOFUNCTION, on_progress);
	r |= curl_easy_setopt(c, CURLOPT_XFERINFODATA, post);
	r |= curl_easy_setopt(c, CURLOPT_NOPROGRESS, 0L);
	r |= curl_easy_setopt(c, CURLOPT_POST, 1L);
	return r == CURLE_OK;
}

int webhook_post_create(const struct config_webhook *config, const char *secret,
			bool (*over)(void *arg), void *arg,
			struct webhook_post **out)
{
	struct webhook_post *post = calloc(1, sizeof(*post));

	if (!post)
		return -ENOMEM;
	post->over = over;
	post->arg = arg;
	post->curl = curl_easy_init();
	post->secret = secret ? strdup(secret) : NULL;
	if (!post->curl || (secret && !post->secret) || !set_up(post, config)) {
		webhook_post_destroy(&post);
		return -ENOMEM;
	}
	*out = post;
	return 0;
}

void webhook_post_destroy(struct webhook_post **pointer)
{
	struct webhook_post *post = *pointer;

	if (!post)
		return;
	curl_easy_cleanup(post->curl);
	if (post->secret)
		ktls_wipe(post->secret, strlen(post->secret));
	free(post->secret);
	free(post);
	*pointer = NULL;
}

/* "sha256=..." of the timestamp, a dot, and the body. */
static bool sign(const struct webhook_post *post, const char *when,
		 const char *body, size_t len, char out[128])
{
	const struct ktls_hmac_piece pieces[] = {
		{when, strlen(when)}, {".", 1}, {body, len}};
	unsigned char mac[KTLS_HMAC_SIZE];
	int n = snprintf(out, 128, "X-Ringpost-Signature: sha256=");

	if (ktls_hmac_sha256(post->secret, strlen(post->secret), pieces, 3,
			     mac) < 0)
		return false;
	for (size_t i = 0; i < sizeof(mac); i++)
		n += snprintf(out + n, 128 - (size_t)n, "%02x", mac[i]);
	return true;
}

static bool add_header(struct curl_slist **headers, const char *line)
{
	struct curl_slist *more = curl_slist_append(*headers, line);

	if (more)
		*headers = more;
	return more;
}

static struct curl_slist *make_headers(const struct webhook_post *post,
				       const char *body, size_t len,
				       const char *batch)
{
	struct curl_slist *headers = NULL;
	char line[128], when[32];
	bool good;

	snprintf(when, sizeof(when), "%lld", (long long)time(NULL));
	snprintf(line, sizeof(line), "X-Ringpost-Timestamp: %s", when);
	good = add_header(&headers, "Content-Type: application/json") &&
	       /* No "100 Continue": the first octets show what it is. */
	       add_header(&headers, "Expect:") && add_header(&headers, line);
	snprintf(line, sizeof(line), "X-Ringpost-Batch: %s", batch);
	good = good && add_header(&headers, line);
	if (good && post->secret)
		good = sign(post, when, body, len, line) &&
		       add_header(&headers, line);
	if (good)
		return headers;
	curl_slist_free_all(headers);
	return NULL;
}

static void judge(struct webhook_post *post, CURLcode result,
		  struct webhook_answer *answer)
{
	curl_off_t after = 0;

	curl_easy_getinfo(post->curl, CURLINFO_RESPONSE_CODE, &answer->code);
	curl_easy_getinfo(post->curl, CURLINFO_RETRY_AFTER, &after);
	if (after > 0 && after < 86400)
		answer->after = (uint64_t)after * UINT64_C(1000000000);
	/* What it said after a 2xx is nobody's business. */
	answer->good = answer->code / 100 == 2 &&
		       (result == CURLE_OK || result == CURLE_WRITE_ERROR);
	if (result == CURLE_OK || result == CURLE_WRITE_ERROR)
		snprintf(answer->error, sizeof(answer->error),
			 "it answered %ld", answer->code);
	else
		snprintf(answer->error, sizeof(answer->error), "%s",
			 post->error[0] ? post->error
					: curl_easy_strerror(result));
}

void webhook_post_send(struct webhook_post *post, const char *body, size_t len,
		       const char *batch, uint64_t limit,
		       struct webhook_answer *answer)
{
	struct curl_slist *headers = make_headers(post, body, len, batch);

	*answer = (struct webhook_answer){.error = "out of memory"};
	if (!headers)
		return;
	post->answered = 0;
	post->error[0] = '\0';
	curl_easy_setopt(post->curl, CURLOPT_HTTPHEADER, headers);
	curl_easy_setopt(post->curl, CURLOPT_POSTFIELDS, body);
	curl_easy_setopt(post->curl, CURLOPT_POSTFIELDSIZE_LARGE,
			 (curl_off_t)len);
	curl_easy_setopt(post->curl, CURLOPT_TIMEOUT_MS,
			 (long)(limit / 1000000 + 1));
	judge(post, curl_easy_perform(post->curl), answer);
	curl_easy_setopt(post->curl, CURLOPT_HTTPHEADER, NULL);
	curl_slist_free_all(headers);
}
