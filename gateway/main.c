/* SPDX-License-Identifier: Apache-2.0 */
/* The program ringpost. */
#include "gateway/cli/cli.h"

int main(int argc, char **argv)
{
	return cli_main(argc, argv);
}
