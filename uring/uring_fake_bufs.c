/* SPDX-License-Identifier: Apache-2.0 */
/* The fake's side of provided buffers, in both forms. */
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
	free(group->list);
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

	if (!group || !group->ring)
		return -ENOENT;
	group_free(fake, group);
	return 0;
}

int fake_provide(struct uring_fake *fake, const struct io_uring_sqe *sqe)
{
	struct fake_group *group = group_of(fake, sqe->buf_group);
	unsigned n = (unsigned)sqe->fd;

	if (group && group->ring)
		return -EINVAL;
	if (!group)
		group = group_new(fake, sqe->buf_group);
	if (group->count + n > group->room) {
		group->room = group->count + n;
		group->list = fake_grow(group->list, group->room,
					sizeof(*group->list));
	}
	for (unsigned i = 0; i < n; i++)
		group->list[group->count++] = (struct io_uring_buf){
			.addr = sqe->addr + (uint64_t)i * sqe->len,
			.len = sqe->len,
			.bid = (uint16_t)(sqe->off + i),
		};
	return 0;
}

int fake_remove(struct uring_fake *fake, const struct io_uring_sqe *sqe)
{
	struct fake_group *group = group_of(fake, sqe->buf_group);
	unsigned n = (unsigned)sqe->fd;

	if (!group || group->ring)
		return -ENOENT;
	if (n >= group->count) {
		n = group->count;
		group_free(fake, group);
	} else {
		group->count -= n;
	}
	return (int)n;
}

static void select_ring(struct fake_group *group, struct io_uring_buf *buf)
{
	*buf = group->ring[group->head & (group->count - 1)];
	group->head++;
}

/* The kernel's order is its own affair. */
static void select_list(struct uring_fake *fake, struct fake_group *group,
			struct io_uring_buf *buf)
{
	unsigned pick = fake_below(fake, group->count);

	*buf = group->list[pick];
	group->list[pick] = group->list[--group->count];
}

static bool group_is_empty(const struct fake_group *group)
{
	if (!group->ring)
		return group->count == 0;
	return __atomic_load_n(&group->ring[0].resv, __ATOMIC_ACQUIRE) ==
	       group->head;
}

int fake_select(struct uring_fake *fake, uint16_t id, struct io_uring_buf *buf,
		uint32_t *flags)
{
	struct fake_group *group = group_of(fake, id);

	if (!group || group_is_empty(group))
		return -ENOBUFS;
	if (group->ring)
		select_ring(group, buf);
	else
		select_list(fake, group, buf);
	*flags |= IORING_CQE_F_BUFFER | (uint32_t)buf->bid
						<< IORING_CQE_BUFFER_SHIFT;
	return 0;
}

bool fake_group_is_legacy(struct uring_fake *fake, uint16_t id)
{
	struct fake_group *group = group_of(fake, id);

	return group && !group->ring;
}
