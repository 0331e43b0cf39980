/* SPDX-License-Identifier: Apache-2.0 */
/* Folders that tests make and remove. */
#ifndef TESTS_SUPPORT_TEST_TREE_H
#define TESTS_SUPPORT_TEST_TREE_H

#include <stdbool.h>
#include <stddef.h>

/*
 * test_tree_make() - a fresh folder that no other process has or had.
 * @in_memory: on a file system in memory, if the machine has one
 * @path: receives its path; a place whose name doesn't fit in @size bytes is
 *        passed over, so is one that is full
 * Aborts, having said why on stderr, when no place will do. The caller removes
 * the folder.
 */
void test_tree_make(const char *name, bool in_memory, char *path, size_t size);

/* test_tree_remove() - @path and all below it; links are not followed. */
void test_tree_remove(const char *path);

#endif
