/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ktls_caps_reason() on any machine's files, for tests. Private to ktls/.
 */
#ifndef KTLS_KTLS_CAPS_PRIVATE_H
#define KTLS_KTLS_CAPS_PRIVATE_H

#include "ktls/ktls_caps.h"

/* @root: "" or a folder that looks like one; @release: as uname -r */
const char *ktls_caps_reason_at(const struct ktls_caps *caps, const char *root,
				const char *release, char *buf, size_t size);

#endif
