/* SPDX-License-Identifier: Apache-2.0 */
/* The status page: status.html as it is, embedded when this was built. */
#ifndef GATEWAY_HTTP_HTTP_PAGE_H
#define GATEWAY_HTTP_HTTP_PAGE_H

#include <stddef.h>

extern const char http_page[];
extern const size_t http_page_len;

/* Nothing but the page's own script and style runs, nothing is loaded from
 * anywhere, and data come from here. The two hashes are of what stands between
 * <script> and <style> (gateway/http/embed). */
extern const char http_page_policy[];
#define HTTP_PAGE_POLICY http_page_policy

#endif
