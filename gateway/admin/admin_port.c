/* SPDX-License-Identifier: Apache-2.0 */
/* Between the control thread and one worker (admin_port.h). */
#include "gateway/admin/admin_port.h"

#include <stdlib.h>

struct admin_port *admin_port_create(struct admin_request *request,
				     void (*news)(void *arg), void *arg)
{
	struct admin_port *port = calloc(1, sizeof(*port));

	if (!port)
		return NULL;
	port->request = admin_request_ref(request);
	port->news = news;
	port->arg = arg;
	atomic_init(&port->users, 2);
	pthread_mutex_init(&port->lock, NULL);
	return port;
}

void admin_rows_free(struct admin_row *row)
{
	while (row) {
		struct admin_row *next = row->next;

		free(row);
		row = next;
	}
}

void admin_port_unref(struct admin_port **pointer)
{
	struct admin_port *port = *pointer;

	*pointer = NULL;
	if (!port || atomic_fetch_sub(&port->users, 1) > 1)
		return;
	admin_rows_free(port->first);
	pthread_mutex_destroy(&port->lock);
	admin_request_unref(&port->request);
	free(port);
}

bool admin_port_put(struct admin_port *port, struct admin_row *row)
{
	bool was_empty, full;

	pthread_mutex_lock(&port->lock);
	was_empty = !port->first;
	if (port->last)
		port->last->next = row;
	else
		port->first = row;
	port->last = row;
	port->bytes += row->size;
	full = port->full = port->bytes >= ADMIN_PORT_FULL;
	pthread_mutex_unlock(&port->lock);
	if (was_empty || full)
		port->news(port->arg);
	return !full;
}

bool admin_port_full(struct admin_port *port)
{
	bool full;

	pthread_mutex_lock(&port->lock);
	full = port->full;
	pthread_mutex_unlock(&port->lock);
	return full;
}

void admin_port_finish(struct admin_port *port,
		       const struct admin_counts *counts, bool refused)
{
	pthread_mutex_lock(&port->lock);
	port->done = true;
	port->refused = refused;
	if (counts)
		port->counts = *counts;
	pthread_mutex_unlock(&port->lock);
	port->news(port->arg);
}

bool admin_port_cancelled(const struct admin_port *port)
{
	return atomic_load(&port->cancelled);
}

struct admin_row *admin_port_take(struct admin_port *port, bool *poke,
				  bool *done)
{
	struct admin_row *rows;

	pthread_mutex_lock(&port->lock);
	rows = port->first;
	port->first = port->last = NULL;
	port->bytes = 0;
	*poke = port->full;
	port->full = false;
	*done = port->done;
	pthread_mutex_unlock(&port->lock);
	return rows;
}
