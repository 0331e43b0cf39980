/* SPDX-License-Identifier: Apache-2.0 */
/* ringpost doctor */
#include <stdlib.h>
#include <sysexits.h>

#include "gateway/cli/cli.h"
#include "gateway/cli/doctor.h"

static int report(const struct config *config, bool json)
{
	struct doctor_report *found = calloc(1, sizeof(*found));
	int code;

	if (!found)
		return EX_OSERR;
	doctor_gather(config, found);
	code = found->path == DOCTOR_PATH_NONE ? EX_UNAVAILABLE : EX_OK;
	if (!json)
		doctor_print_text(found, stdout);
	else if (doctor_print_json(found, stdout))
		code = EX_OSERR;
	free(found);
	return code;
}

int cli_doctor(const struct cli_options *options)
{
	struct config *config = NULL;
	int code = EX_OK;

	if (options->config)
		code = cli_load_config(options->config, &config);
	if (code == EX_OK)
		code = report(config, options->json);
	config_unref(&config);
	return code;
}
