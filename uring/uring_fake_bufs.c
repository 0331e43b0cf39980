/* SPDX-License-Identifier: Apache-2.0 */
/* The fake's side of buffer rings. */
#include <errno.h>
#include <stdlib.h>

#include "uring/uring_fake_internal.h"

static struct fake_group *group_of(struct uring_fake *fake, uint16_t id)
{
	struct fake_group *group = fake->groups;

	while (group && group->id != id)
		group = group->next;
	return group;
}

static struct fake_group *group_new(struct uring_fake *fake, uint16_t id)
{
	struct fake_group *group = fake_alloc(sizeof(*group));

	group->id = id;
	group->next = fake->groups;
	fake->groups = group;
	return group;
}

static void group_free(struct uring_fake *fake, struct fake_group *group)
{
	struct fake_group **link = &fake->groups;

	while (*link != group)
		link = &(*link)->next;
	*link = group->next;
	free(group);
}

void fake_groups_free(struct uring_fake *fake)
{
	while (fake->groups)
		group_free(fake, fake->groups);
}

int fake_group_register(struct uring_fake *fake, void *ring_mem, unsigned count,
			uint16_t id)
{
	struct fake_group *group;

	if (!fake->caps.buf_ring)
		return -EINVAL;
	if (group_of(fake, id))
		return -EEXIST;
	group = group_new(fake, id);
	group->ring = ring_mem;
	group->count = count;
	return 0;
}

int fake_group_unregister(struct uring_fake *fake, uint16_t id)
{
	struct fake_group *group = group_of(fake, id);

	if (!group)
		return -ENOENT;
	group_free(fake, group);
	return 0;
}

static bool group_is_empty(const struct fake_group *group)
{
	return __atomic_load_n(&group->ring[0].resv, __ATOMIC_ACQUIRE) ==
	       group->head;
}

int fake_select(struct uring_fake *fake, uint16_t id, struct io_uring_buf *buf,
		uint32_t *flags)
{
	struct fake_group *group = group_of(fake, id);

	if (!group || group_is_empty(group))
		return -ENOBUFS;
	*buf = group->ring[group->head & (group->count - 1)];
	group->head++;
	*flags |= IORING_CQE_F_BUFFER | (uint32_t)buf->bid
						<< IORING_CQE_BUFFER_SHIFT;
	return 0;
}
