/* SPDX-License-Identifier: Apache-2.0 */
/* The command that programs expect as /usr/sbin/sendmail. */
#ifndef GATEWAY_CLI_SENDMAIL_H
#define GATEWAY_CLI_SENDMAIL_H

/* sendmail_main() - called as sendmail, mailq or newaliases, or whatever ends
 * like them; returns a sysexits code. */
int sendmail_main(int argc, char **argv);

#endif
