/* get_or_set and locks in several processes: of all threads of all of them one computes, also when the one that did was
 * killed. */
#include "check.h"
#include "child.h"
#include "fixture.h"
#include "load.h"
#include "suites.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

enum { PROCESSES = 4, THREADS = 20 };

/* A child may be slow to connect while eighty threads do. */
#define PATIENT "timeout=15s&connect_timeout=15s&pool_timeout=15s&wait=15s"

/* Children tell by a byte each: 'L' for a load, 'V' for a right value. They begin when `start` ends. */
static int told[2], start[2];

static void tell(char what)
{
    CHECK(write(told[1], &what, 1) == 1);
}

static void wait_for_start(void)
{
    char byte;

    while (read(start[0], &byte, 1) < 0 && errno == EINTR)
        continue;
}

/* The next byte of a child; 0 when they are all gone. */
static char hear(void)
{
    char what = 0;

    while (read(told[0], &what, 1) < 0 && errno == EINTR)
        continue;
    return what;
}

static int32_t load_and_tell(void *user_data, redis_cache_writer *out)
{
    (void)user_data;
    tell('L');
    sleep_ms(200);
    return redis_cache_writer_append(out, S("loaded once")) == REDIS_CACHE_OK ? 0 : 1;
}

static void load_on_a_thread(int index, void *shared)
{
    redis_cache *const *cache = shared;
    redis_cache_bytes bytes = DIRTY_BYTES;

    (void)index;
    wait_for_start();
    if (STATUS(OK, redis_cache_get_or_set(*cache, S("key"), 50000, load_and_tell, NULL, &bytes)) &&
        check_data(__FILE__, __LINE__, bytes.data, bytes.len, "loaded once", 11))
        tell('V');
    redis_cache_bytes_free(&bytes);
}

/* With the handle of the parent, or with one of its own. */
static void load_on_threads(const redis_cache *parents, int index)
{
    redis_cache *cache = index % 2 == 0 ? redis_cache_clone(parents) : open_cache(PATIENT);

    close(start[1]);
    on_threads(THREADS, load_on_a_thread, &cache);
    redis_cache_free(cache);
}

static void four_cold_processes_of_twenty_threads_load_once(void)
{
    redis_cache *cache = open_cache(PATIENT);
    pid_t children[PROCESSES];
    int loads = 0, values = 0, i;
    char what;

    REQUIRE(pipe(told) == 0 && pipe(start) == 0);
    MISSES(cache, "key");
    for (i = 0; i < PROCESSES; i++)
        children[i] = start_child(load_on_threads, cache, i);
    close(told[1]);
    close(start[0]);
    close(start[1]);
    while ((what = hear()) != 0) {
        loads += what == 'L';
        values += what == 'V';
    }
    for (i = 0; i < PROCESSES; i++)
        end_child(children[i]);
    close(told[0]);
    INT(on_memory() ? PROCESSES : 1, loads);
    INT(PROCESSES * THREADS, values);
    redis_cache_free(cache);
}

static int32_t load_for_ever(void *user_data, redis_cache_writer *out)
{
    (void)user_data;
    (void)out;
    tell('L');
    while (pause() == -1)
        continue;
    return 1;
}

static void load_until_killed(const redis_cache *cache, int index)
{
    redis_cache_bytes bytes;

    (void)index;
    redis_cache_get_or_set(cache, S("key"), 50000, load_for_ever, NULL, &bytes);
}

static void lock_until_killed(const redis_cache *cache, int index)
{
    redis_cache_lock *lock = NULL;

    (void)index;
    STATUS(OK, redis_cache_lock_acquire(cache, S("door"), 500, 10000, &lock));
    tell('L');
    while (pause() == -1)
        continue;
}

/* A child that is killed in the middle of this. */
static void lose_a_child(void (*function)(const redis_cache *cache, int index), const redis_cache *cache)
{
    pid_t child;

    REQUIRE(pipe(told) == 0);
    child = start_child(function, cache, 0);
    INT('L', hear());
    kill_child(child);
    close(told[0]);
    close(told[1]);
}

static void a_killed_loader_holds_nobody_up_for_longer_than_its_lease(void)
{
    redis_cache *cache = open_cache(PATIENT "&lease=500ms&stale=1m");
    struct load job = { 0 };
    redis_cache_bytes bytes = DIRTY_BYTES;

    lose_a_child(load_until_killed, cache);
    job.text = "loaded by the next";
    OR_SET(cache, &job, 50000, "loaded by the next");
    INT(1, job.calls);
    /* While there is an old value, nobody waits at all. */
    STATUS(OK, redis_cache_expire_soft(cache, S("key")));
    GOES(cache, "key");
    lose_a_child(load_until_killed, cache);
    job.text = "loaded after all";
    while (redis_cache_get_or_set(cache, S("key"), 50000, load, &job, &bytes) == REDIS_CACHE_STALE && job.calls == 1) {
        DATA("loaded by the next", 18, bytes.data, bytes.len);
        redis_cache_bytes_free(&bytes);
        sleep_ms(20);
    }
    DATA("loaded after all", 16, bytes.data, bytes.len);
    redis_cache_bytes_free(&bytes);
    INT(2, job.calls);
    redis_cache_free(cache);
}

static void a_killed_holder_of_a_lock_holds_nobody_up_for_longer_than_its_lifetime(void)
{
    redis_cache *cache = open_cache(PATIENT);
    redis_cache_lock *lock = NULL;

    lose_a_child(lock_until_killed, cache);
    STATUS(OK, redis_cache_lock_acquire(cache, S("door"), 50000, 15000, &lock));
    STATUS(OK, redis_cache_lock_release(lock));
    redis_cache_free(cache);
}

/* A counter that only the lock keeps right. */
static void count_under_the_lock(int index, void *shared)
{
    redis_cache *const *cache = shared;
    int i;

    (void)index;
    for (i = 0; i < 5; i++) {
        redis_cache_lock *lock = NULL;
        int64_t count = 0;

        if (!STATUS(OK, redis_cache_lock_acquire(*cache, S("door"), 30000, 30000, &lock)))
            return;
        redis_cache_get_int(*cache, S("count"), &count);
        STATUS(OK, redis_cache_set_int(*cache, S("count"), count + 1, 50000));
        STATUS(OK, redis_cache_lock_release(lock));
    }
}

static void count_on_threads(const redis_cache *parents, int index)
{
    redis_cache *cache = redis_cache_clone(parents);

    (void)index;
    on_threads(5, count_under_the_lock, &cache);
    redis_cache_free(cache);
}

static void a_lock_keeps_processes_apart(void)
{
    redis_cache *cache = open_cache(PATIENT);
    pid_t children[PROCESSES];
    int64_t count = 0;
    int i;

    for (i = 0; i < PROCESSES; i++)
        children[i] = start_child(count_on_threads, cache, i);
    for (i = 0; i < PROCESSES; i++)
        end_child(children[i]);
    STATUS(OK, redis_cache_get_int(cache, S("count"), &count));
    INT(PROCESSES * 5 * 5, count);
    redis_cache_free(cache);
}

void suite_herd_processes(void)
{
    RUN(four_cold_processes_of_twenty_threads_load_once);
    if (on_memory())
        return; /* a child has a store of its own */
    RUN(a_killed_loader_holds_nobody_up_for_longer_than_its_lease);
    RUN(a_killed_holder_of_a_lock_holds_nobody_up_for_longer_than_its_lifetime);
    RUN(a_lock_keeps_processes_apart);
}
