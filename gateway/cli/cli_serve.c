/* SPDX-License-Identifier: Apache-2.0 */
/* ringpost serve */
#include <stdlib.h>
#include <sysexits.h>

#include "gateway/cli/cli.h"
#include "gateway/config/config.h"
#include "gateway/serve/serve.h"

int cli_serve(const struct cli_options *options)
{
	struct config *config;
	int code = cli_load_config(options->config, &config);

	if (code != EX_OK)
		return code;
	code = gateway_serve(config);
	config_unref(&config);
	return code;
}
