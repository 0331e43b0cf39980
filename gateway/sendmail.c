/* SPDX-License-Identifier: Apache-2.0 */
/* ringpost-sendmail: only the command line begins here. */
#include "gateway/cli/sendmail.h"

int main(int argc, char **argv)
{
	return sendmail_main(argc, argv);
}
