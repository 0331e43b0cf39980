/* SPDX-License-Identifier: Apache-2.0 */
/* Folders that tests make and remove. */
#ifndef TESTS_SUPPORT_TEST_TREE_H
#define TESTS_SUPPORT_TEST_TREE_H

/* test_tree_remove() - @path and all below it; links are not followed. */
void test_tree_remove(const char *path);

#endif
