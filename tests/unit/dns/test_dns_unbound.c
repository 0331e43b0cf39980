/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Resolvers of several workers that start at the same moment. libunbound makes
 * a lock of its own when the first context is made, and asks without one
 * whether it was; pthread_mutex_init() is slow here, and says when a static
 * lock it is to make has been locked already.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <dlfcn.h>
#include <pthread.h>
#include <stdatomic.h>
#include <time.h>

#include "gateway/config/config.h"
#include "gateway/dns/dns_source.h"

#define WORKERS 4
#define LOCKED	64

static _Atomic(const void *) locked[LOCKED];
static atomic_uint made_in_use;
static pthread_barrier_t together;

/* Of a library: memory that was freed may hold another lock. */
static bool is_static(const void *lock)
{
	Dl_info info;

	return dladdr(lock, &info) != 0;
}

static void note(const void *lock)
{
	for (size_t i = 0; i < LOCKED; i++) {
		const void *was = NULL;

		if (atomic_compare_exchange_strong(&locked[i], &was, lock) ||
		    was == lock)
			return;
	}
}

static bool was_locked(const void *lock)
{
	for (size_t i = 0; i < LOCKED; i++)
		if (atomic_load(&locked[i]) == lock)
			return true;
	return false;
}

int pthread_mutex_lock(pthread_mutex_t *mutex)
{
	static int (*real)(pthread_mutex_t *);

	if (!real)
		*(void **)&real = dlsym(RTLD_NEXT, "pthread_mutex_lock");
	if (is_static(mutex))
		note(mutex);
	return real(mutex);
}

int pthread_mutex_init(pthread_mutex_t *mutex, const pthread_mutexattr_t *attr)
{
	static int (*real)(pthread_mutex_t *, const pthread_mutexattr_t *);
	const struct timespec long_time = {.tv_nsec = 20 * 1000 * 1000};

	if (!real)
		*(void **)&real = dlsym(RTLD_NEXT, "pthread_mutex_init");
	if (is_static(mutex)) {
		nanosleep(&long_time, NULL);
		if (was_locked(mutex))
			atomic_fetch_add(&made_in_use, 1);
	}
	return real(mutex, attr);
}

static void *start_one(void *failed)
{
	static const struct config_resolver config; /* resolv.conf's servers */
	struct dns_source *source;
	int r;

	pthread_barrier_wait(&together);
	r = dns_unbound_create(&config, NULL, &source);
	if (r == 0)
		source->ops->destroy(source);
	return r == 0 ? NULL : failed;
}

static void workers_start_at_the_same_moment(void **state)
{
	pthread_t threads[WORKERS];

	(void)state;
	pthread_barrier_init(&together, NULL, WORKERS);
	for (size_t i = 0; i < WORKERS; i++)
		assert_int_equal(
			pthread_create(&threads[i], NULL, start_one, &together),
			0);
	for (size_t i = 0; i < WORKERS; i++) {
		void *failed;

		pthread_join(threads[i], &failed);
		assert_null(failed);
	}
	assert_int_equal(atomic_load(&made_in_use), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(workers_start_at_the_same_moment),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
