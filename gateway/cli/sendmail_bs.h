/* SPDX-License-Identifier: Apache-2.0 */
/* sendmail -bs: SMTP on standard input and output, spoken by the relay. */
#ifndef GATEWAY_CLI_SENDMAIL_BS_H
#define GATEWAY_CLI_SENDMAIL_BS_H

#include "gateway/cli/hand_in.h"

/* sendmail_bs() - until either side ends it; a sysexits code. Of @what only
 * where the relay is. */
int sendmail_bs(const struct hand_in *what);

#endif
