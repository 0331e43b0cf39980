/* SPDX-License-Identifier: Apache-2.0 */
/* Threads that wait for tasks; see tls_crew.h. */
#include "bench/tls/tls_crew.h"

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

struct member {
	struct tls_crew *crew;
	pthread_t thread;
	unsigned index;
	char error[TLS_ERROR];
};

struct tls_crew {
	struct member *members; /* owned; threads */
	unsigned threads;	/* that were started */
	pthread_mutex_t lock;	/* of what follows */
	pthread_cond_t given;	/* a task, or the end */
	pthread_cond_t finished;
	unsigned round; /* tasks given so far */
	unsigned left;	/* threads still at the current one */
	bool over;
	tls_task_fn task;
	void *arg;
	int err; /* of the current task: the first */
	char error[TLS_ERROR];
};

static void note(struct tls_crew *crew, const struct member *m, int err)
{
	pthread_mutex_lock(&crew->lock);
	if (err && !crew->err) {
		crew->err = err;
		memcpy(crew->error, m->error, sizeof(crew->error));
	}
	if (--crew->left == 0)
		pthread_cond_signal(&crew->finished);
	pthread_mutex_unlock(&crew->lock);
}

/* False: no more tasks. */
static bool await(struct tls_crew *crew, unsigned seen)
{
	bool over;

	pthread_mutex_lock(&crew->lock);
	while (crew->round == seen && !crew->over)
		pthread_cond_wait(&crew->given, &crew->lock);
	over = crew->over;
	pthread_mutex_unlock(&crew->lock);
	return !over;
}

static void *work(void *arg)
{
	struct member *m = arg;

	for (unsigned seen = 0; await(m->crew, seen); seen++) {
		m->error[0] = '\0';
		note(m->crew, m,
		     m->crew->task(m->crew->arg, m->index, m->error));
	}
	return NULL;
}

int tls_crew_create(unsigned threads, struct tls_crew **out)
{
	struct tls_crew *crew = calloc(1, sizeof(*crew));
	int err = 0;

	*out = crew;
	if (!crew)
		return -ENOMEM;
	pthread_mutex_init(&crew->lock, NULL);
	pthread_cond_init(&crew->given, NULL);
	pthread_cond_init(&crew->finished, NULL);
	crew->members = calloc(threads, sizeof(*crew->members));
	if (!crew->members)
		err = -ENOMEM;
	for (unsigned i = 0; i < threads && !err; i++) {
		struct member *m = &crew->members[i];

		m->crew = crew;
		m->index = i;
		err = -pthread_create(&m->thread, NULL, work, m);
		crew->threads += !err;
	}
	if (err)
		tls_crew_free(out);
	return err;
}

int tls_crew_run(struct tls_crew *crew, tls_task_fn task, void *arg,
		 char *error)
{
	int err;

	pthread_mutex_lock(&crew->lock);
	crew->task = task;
	crew->arg = arg;
	crew->err = 0;
	crew->left = crew->threads;
	crew->round++;
	pthread_cond_broadcast(&crew->given);
	while (crew->left)
		pthread_cond_wait(&crew->finished, &crew->lock);
	err = crew->err;
	if (err)
		memcpy(error, crew->error, sizeof(crew->error));
	pthread_mutex_unlock(&crew->lock);
	return err;
}

void tls_crew_free(struct tls_crew **out)
{
	struct tls_crew *crew = *out;

	*out = NULL;
	if (!crew)
		return;
	pthread_mutex_lock(&crew->lock);
	crew->over = true;
	pthread_cond_broadcast(&crew->given);
	pthread_mutex_unlock(&crew->lock);
	for (unsigned i = 0; i < crew->threads; i++)
		pthread_join(crew->members[i].thread, NULL);
	pthread_mutex_destroy(&crew->lock);
	pthread_cond_destroy(&crew->given);
	pthread_cond_destroy(&crew->finished);
	free(crew->members);
	free(crew);
}
