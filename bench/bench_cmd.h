/* SPDX-License-Identifier: Apache-2.0 */
/* The subcommands of ringpost-bench. argv[0] is the subcommand's name; each
 * returns the exit status of the program (sysexits.h, or as its help says). */
#ifndef BENCH_CMD_H
#define BENCH_CMD_H

int cmd_source(int argc, char **argv);
int cmd_compare(int argc, char **argv);
int cmd_hold(int argc, char **argv);
int cmd_sink(int argc, char **argv);
int cmd_verify(int argc, char **argv);
int cmd_tls(int argc, char **argv);

#endif
