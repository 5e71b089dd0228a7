/* fork(): parent and child go on with the same handle and never hear each other's replies. */
#include "check.h"
#include "child.h"
#include "fixture.h"
#include "suites.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

static int rounds(int full)
{
    return small_run() ? full / 10 : full;
}

static void use(const redis_cache *cache, int index)
{
    char key[32], value[64];
    int i;

    for (i = 0; i < rounds(100); i++) {
        snprintf(key, sizeof key, "process-%d-%d", index, i % 5);
        snprintf(value, sizeof value, "value of process %d, %d", index, i);
        if (!STATUS(OK, redis_cache_set(cache, key, strlen(key), value, strlen(value), 60000)) ||
            !GETS(cache, key, value))
            return;
    }
}

static void parent_and_children_use_one_handle_at_once(void)
{
    redis_cache *cache = open_cache("timeout=10s");
    redis_cache_stats stats;
    pid_t children[4];
    int i;

    use(cache, 0);
    for (i = 0; i < 4; i++)
        children[i] = start_child(use, cache, i + 1);
    use(cache, 0);
    for (i = 0; i < 4; i++)
        end_child(children[i]);
    use(cache, 0);
    STATUS(OK, redis_cache_stats_read(cache, &stats, sizeof stats));
    INT(0, stats.errors);
    INT(0, stats.retries);
    if (!on_many())
        INT(on_server() ? 1 : 0, stats.connections_open);
    redis_cache_free(cache);
}

static void do_nothing(const redis_cache *cache, int index)
{
    (void)cache;
    (void)index;
}

static void free_handle(const redis_cache *cache, int index)
{
    (void)index;
    redis_cache_free((redis_cache *)(uintptr_t)cache);
}

static void use_and_free(const redis_cache *cache, int index)
{
    use(cache, index);
    free_handle(cache, index);
}

static void a_child_that_ends_leaves_the_parents_connection_alone(void)
{
    static void (*const ways[])(const redis_cache *, int) = { do_nothing, free_handle, use, use_and_free };
    redis_cache *cache = open_cache("timeout=10s");
    redis_cache_stats stats;
    size_t i;

    STATUS(OK, redis_cache_set(cache, S("key"), S("value"), 60000));
    for (i = 0; i < sizeof ways / sizeof ways[0]; i++) {
        end_child(start_child(ways[i], cache, 1));
        GETS(cache, "key", "value");
    }
    STATUS(OK, redis_cache_stats_read(cache, &stats, sizeof stats));
    INT(0, stats.errors);
    INT(0, stats.retries);
    if (!on_many())
        INT(on_server() ? 1 : 0, stats.connections_open);
    redis_cache_free(cache);
}

static void use_from_a_child_of_its_own(const redis_cache *cache, int index)
{
    pid_t grandchild = start_child(use, cache, index + 10);

    use(cache, index);
    end_child(grandchild);
    use(cache, index);
}

static void a_child_may_fork_too(void)
{
    redis_cache *cache = open_cache("timeout=10s");
    pid_t child;

    use(cache, 0);
    child = start_child(use_from_a_child_of_its_own, cache, 1);
    use(cache, 0);
    end_child(child);
    redis_cache_free(cache);
}

struct busy {
    const redis_cache *cache;
    pthread_mutex_t lock;
    bool over;
};

static void keep_busy(int index, void *shared)
{
    struct busy *work = shared;
    bool over = false;

    if (index == 0) {
        /* Whatever the other threads hold just now, a child must be able to go on. */
        int i;
        for (i = 0; i < rounds(12) + 3; i++)
            end_child(start_child(use, work->cache, 100 + i));
        pthread_mutex_lock(&work->lock);
        work->over = true;
        pthread_mutex_unlock(&work->lock);
        return;
    }
    while (!over) {
        redis_cache *view = redis_cache_with_version(work->cache, (uint64_t)(10 + index));

        use(work->cache, index);
        STATUS(OK, redis_cache_set(view, S("key"), S("value"), 60000));
        redis_cache_free(view);
        pthread_mutex_lock(&work->lock);
        over = work->over;
        pthread_mutex_unlock(&work->lock);
    }
}

static void children_work_whatever_other_threads_do_at_the_fork(void)
{
    redis_cache *cache = open_cache("timeout=20s&pool_timeout=20s&max_connections=3");
    struct busy work;

    work.cache = cache;
    work.over = false;
    pthread_mutex_init(&work.lock, NULL);
    on_threads(6, keep_busy, &work);
    redis_cache_free(cache);
}

static void expect_value_then_write(const redis_cache *cache, int index)
{
    (void)index;
    GETS(cache, "key", "of the parent");
    STATUS(OK, redis_cache_set(cache, S("key"), S("of the child"), 60000));
    GETS(cache, "key", "of the child");
}

static void a_server_is_shared_and_memory_is_copied(void)
{
    redis_cache *cache = open_cache(NULL);

    STATUS(OK, redis_cache_set(cache, S("key"), S("of the parent"), 60000));
    end_child(start_child(expect_value_then_write, cache, 0));
    GETS(cache, "key", on_server() || on_many() ? "of the child" : "of the parent");
    redis_cache_free(cache);
}

static void open_and_use(const redis_cache *cache, int index)
{
    redis_cache *own = open_cache("timeout=10s");

    (void)cache;
    use(own, index);
    redis_cache_free(own);
}

static void a_child_may_open_handles_of_its_own(void)
{
    redis_cache *cache = open_cache(NULL);
    pid_t child;

    use(cache, 0);
    child = start_child(open_and_use, cache, 1);
    use(cache, 0);
    end_child(child);
    redis_cache_free(cache);
}

void suite_fork(void)
{
    RUN(parent_and_children_use_one_handle_at_once);
    RUN(a_child_that_ends_leaves_the_parents_connection_alone);
    RUN(a_child_may_fork_too);
    /* The allocator of AddressSanitizer (GCC 12) is not safe here: a child waits for a lock that a thread of its
     * parent held, in malloc() itself. */
    if (!under("asan"))
        RUN(children_work_whatever_other_threads_do_at_the_fork);
    RUN(a_server_is_shared_and_memory_is_copied);
    RUN(a_child_may_open_handles_of_its_own);
}
