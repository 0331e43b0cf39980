/* SPDX-License-Identifier: Apache-2.0 */
/* Control records by plain system calls (tls_control.h). */
#include "tests/kernel/tls_control.h"

#include <linux/tls.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>

#include <cmocka.h>

#define SOL_TLS_LEVEL 282

void tls_control_send(int fd, unsigned char type, const void *data, size_t len)
{
	union {
		struct cmsghdr header;
		unsigned char space[CMSG_SPACE(1)];
	} control = {.space = {0}};
	unsigned char copy[16];
	struct iovec iov = {copy, len};
	struct msghdr msg = {.msg_iov = &iov,
			     .msg_iovlen = 1,
			     .msg_control = &control,
			     .msg_controllen = sizeof(control)};

	assert_true(len <= sizeof(copy));
	memcpy(copy, data, len);
	control.header.cmsg_level = SOL_TLS_LEVEL;
	control.header.cmsg_type = TLS_SET_RECORD_TYPE;
	control.header.cmsg_len = CMSG_LEN(1);
	*CMSG_DATA(&control.header) = type;
	assert_int_equal(sendmsg(fd, &msg, MSG_NOSIGNAL), len);
}

unsigned char tls_control_recv(int fd, void *buf, size_t *len)
{
	union {
		struct cmsghdr header;
		unsigned char space[CMSG_SPACE(1)];
	} control = {.space = {0}};
	struct iovec iov = {buf, *len};
	struct msghdr msg = {.msg_iov = &iov,
			     .msg_iovlen = 1,
			     .msg_control = &control,
			     .msg_controllen = sizeof(control)};
	ssize_t n = recvmsg(fd, &msg, 0);

	assert_true(n > 0);
	*len = (size_t)n;
	assert_int_equal(control.header.cmsg_level, SOL_TLS_LEVEL);
	assert_int_equal(control.header.cmsg_type, TLS_GET_RECORD_TYPE);
	return *CMSG_DATA(&control.header);
}
