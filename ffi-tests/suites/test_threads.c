/* One handle on ten threads: nobody ever sees what belongs to another, and counts are exact. */
#include "check.h"
#include "fixture.h"
#include "suites.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

enum { THREADS = 10 };

static int rounds(int full)
{
    return small_run() ? full / 10 : full;
}

static void keep_own_values(int index, void *shared)
{
    const redis_cache *cache = shared;
    char key[32], value[3000], room[3000];
    size_t len;
    int i;

    for (i = 0; i < rounds(300); i++) {
        size_t size = (size_t)(1 + (i * 37 + index * 101) % 2999);

        snprintf(key, sizeof key, "thread-%d-%d", index, i % 7);
        fill(value, size, (unsigned)(index * 1000 + i));
        if (!STATUS(OK, redis_cache_set(cache, key, strlen(key), value, size, 60000)) ||
            !STATUS(OK, redis_cache_get_into(cache, key, strlen(key), room, sizeof room, &len)) || !INT(size, len))
            return;
        if (!filled(room, size, (unsigned)(index * 1000 + i))) {
            CHECK(!"another thread's value");
            return;
        }
    }
}

static void every_thread_reads_what_it_wrote(void)
{
    redis_cache *cache = open_cache("timeout=10s");

    on_threads(THREADS, keep_own_values, cache);
    redis_cache_free(cache);
}

static void threads_share_fewer_connections_than_they_are(void)
{
    redis_cache *cache = open_cache("max_connections=2&pool_timeout=10s&timeout=10s");
    redis_cache_stats stats;

    on_threads(THREADS, keep_own_values, cache);
    STATUS(OK, redis_cache_stats_read(cache, &stats, sizeof stats));
    CHECK(stats.connections_open <= 2 * (on_many() ? 3 : 1));
    redis_cache_free(cache);
}

static void count_up(int index, void *shared)
{
    const redis_cache *cache = shared;
    int64_t number;
    int i;

    for (i = 0; i < rounds(300); i++) {
        if (index % 2 == 0)
            STATUS(OK, redis_cache_incr_or_create(cache, S("made"), 1, 1, 60000, &number));
        STATUS(OK, redis_cache_incr(cache, S("counter"), 2, &number));
        STATUS(OK, redis_cache_decr(cache, S("counter"), 1, &number));
    }
}

static void counters_lose_nothing(void)
{
    redis_cache *cache = open_cache("timeout=10s");
    int64_t number = DIRTY_INT;

    STATUS(OK, redis_cache_set_int(cache, S("counter"), 0, 60000));
    on_threads(THREADS, count_up, cache);
    STATUS(OK, redis_cache_get_int(cache, S("counter"), &number));
    INT(THREADS * rounds(300), number);
    STATUS(OK, redis_cache_get_int(cache, S("made"), &number));
    INT(THREADS / 2 * rounds(300), number);
    redis_cache_free(cache);
}

struct race {
    const redis_cache *cache;
    pthread_mutex_t lock;
    int winners;
};

static void try_to_add(int index, void *shared)
{
    struct race *race = shared;
    char value = (char)('0' + index);
    redis_cache_status status = redis_cache_add(race->cache, S("prize"), &value, 1, 60000);

    CHECK(status == REDIS_CACHE_OK || status == REDIS_CACHE_EXISTS);
    pthread_mutex_lock(&race->lock);
    race->winners += status == REDIS_CACHE_OK;
    pthread_mutex_unlock(&race->lock);
}

static void one_add_wins(void)
{
    redis_cache *cache = open_cache(NULL);
    struct race race;
    int i;

    race.cache = cache;
    pthread_mutex_init(&race.lock, NULL);
    for (i = 0; i < rounds(20); i++) {
        race.winners = 0;
        on_threads(THREADS, try_to_add, &race);
        INT(1, race.winners);
        STATUS(OK, redis_cache_delete(cache, S("prize")));
    }
    redis_cache_free(cache);
}

static int32_t write_key(void *user_data, redis_cache_writer *out)
{
    const char *key = user_data;

    return redis_cache_writer_append(out, key, strlen(key)) == REDIS_CACHE_OK ? 0 : 1;
}

/* A little of everything; every value equals its key. */
static void mix_everything(int index, void *shared)
{
    const redis_cache *cache = shared;
    char name[16][20];
    redis_cache_slice keys[16], item;
    redis_cache_entry entries[16];
    int i, j;

    for (j = 0; j < 16; j++) {
        snprintf(name[j], sizeof name[j], "mix-%d", j);
        keys[j].data = name[j];
        keys[j].len = strlen(name[j]);
        entries[j].key = entries[j].value = keys[j];
    }
    for (i = 0; i < rounds(100); i++) {
        redis_cache_bytes bytes = DIRTY_BYTES;
        redis_cache_results *results = NULL;
        redis_cache_slice key = keys[(i + index) % 16];
        redis_cache *view;

        switch ((i * 7 + index) % 8) {
        case 0:
            STATUS(OK, redis_cache_set_many(cache, entries, 16, 60000, NULL));
            break;
        case 1:
            STATUS(OK, redis_cache_get_many(cache, keys, 16, &results));
            for (j = 0; j < 16; j++) {
                if (redis_cache_results_get(results, (size_t)j, &item) == REDIS_CACHE_OK)
                    DATA(keys[j].data, keys[j].len, item.data, item.len);
            }
            redis_cache_results_free(results);
            break;
        case 2:
            CHECK(redis_cache_delete(cache, key.data, key.len) >= 0);
            break;
        case 3:
            CHECK(redis_cache_touch(cache, key.data, key.len, 30000) >= 0);
            break;
        case 4:
            if (STATUS(OK, redis_cache_get_or_set(cache, key.data, key.len, 60000, write_key,
                                                  name[(i + index) % 16], &bytes)))
                DATA(key.data, key.len, bytes.data, bytes.len);
            redis_cache_bytes_free(&bytes);
            break;
        case 5:
            view = redis_cache_with_version(cache, (uint64_t)(2 + index));
            STATUS(OK, redis_cache_set(view, key.data, key.len, S("elsewhere"), 60000));
            redis_cache_free(view);
            break;
        case 6:
            /* An error in one thread leaves the others alone. */
            STATUS(ERR_INVALID_ARGUMENT, redis_cache_get(cache, S(""), &bytes));
            break;
        default:
            if (redis_cache_get(cache, key.data, key.len, &bytes) == REDIS_CACHE_OK)
                DATA(key.data, key.len, bytes.data, bytes.len);
            redis_cache_bytes_free(&bytes);
        }
    }
}

static void operations_of_all_kinds_mix(void)
{
    redis_cache *cache = open_cache("timeout=10s");

    on_threads(THREADS, mix_everything, cache);
    redis_cache_free(cache);
}

static void come_and_go(int index, void *shared)
{
    int i;

    for (i = 0; i < rounds(50); i++) {
        redis_cache *own = (i + index) % 5 == 0 ? open_cache("prefix=come") : redis_cache_clone(shared);
        redis_cache *view = redis_cache_with_version(own, 3);

        redis_cache_free(own);
        STATUS(OK, redis_cache_set(view, S("key"), S("same"), 60000));
        GETS(view, "key", "same");
        redis_cache_free(view);
    }
}

static void handles_come_and_go_on_all_threads(void)
{
    redis_cache *cache = open_cache("prefix=come&timeout=10s");

    on_threads(THREADS, come_and_go, cache);
    redis_cache_free(cache);
}

static void ignore_signal(int number)
{
    (void)number;
}

struct pester {
    pthread_t victim;
    pthread_mutex_t lock;
    bool over;
};

static void *pester(void *argument)
{
    struct pester *work = argument;
    bool over;

    do {
        sleep_ms(1);
        pthread_mutex_lock(&work->lock);
        over = work->over;
        if (!over)
            pthread_kill(work->victim, SIGUSR1);
        pthread_mutex_unlock(&work->lock);
    } while (!over);
    return NULL;
}

static void signals_do_not_disturb_a_call(void)
{
    redis_cache *cache = open_cache("timeout=20s");
    struct sigaction action, before;
    struct pester work;
    pthread_t thread;
    size_t size = 500000, len;
    char *value = must_alloc(size);
    int i;

    memset(&action, 0, sizeof action);
    action.sa_handler = ignore_signal; /* no SA_RESTART: system calls end with EINTR */
    sigaction(SIGUSR1, &action, &before);
    work.victim = pthread_self();
    work.over = false;
    pthread_mutex_init(&work.lock, NULL);
    REQUIRE(pthread_create(&thread, NULL, pester, &work) == 0);
    for (i = 0; i < rounds(100); i++) {
        fill(value, size, (unsigned)i);
        STATUS(OK, redis_cache_set(cache, S("key"), value, size, 60000));
        memset(value, 0, size);
        STATUS(OK, redis_cache_get_into(cache, S("key"), value, size, &len));
        CHECK(filled(value, size, (unsigned)i));
    }
    pthread_mutex_lock(&work.lock);
    work.over = true;
    pthread_mutex_unlock(&work.lock);
    pthread_join(thread, NULL);
    sigaction(SIGUSR1, &before, NULL);
    free(value);
    redis_cache_free(cache);
}

#ifndef __SANITIZE_ADDRESS__ /* it cannot follow a thread that is unwound to its end */
struct riders {
    redis_cache *cache;
    pthread_mutex_t lock;
    bool over;
    int faults, reads;
};

static void ignore_error(void *user_data, int32_t status, const char *text)
{
    (void)user_data;
    (void)status;
    (void)text;
}

/* One read of an own value; false when all are to end. */
static bool ride(struct riders *shared, int number)
{
    char key[20], room[20];
    size_t len = 0;
    redis_cache_status status;
    bool over;

    snprintf(key, sizeof key, "rider-%d", number);
    status = redis_cache_get_into(shared->cache, key, strlen(key), room, sizeof room, &len);
    pthread_mutex_lock(&shared->lock);
    shared->reads++;
    shared->faults += status != REDIS_CACHE_OK || len != strlen(key) || memcmp(key, room, len) != 0;
    over = shared->over;
    pthread_mutex_unlock(&shared->lock);
    return !over;
}

static void *ride_until_cancelled(void *shared)
{
    while (ride(shared, 0))
        pthread_testcancel();
    return NULL;
}

static void *ride_on(void *shared)
{
    while (ride(shared, 1))
        ;
    return NULL;
}

/* With a function of the caller's a cancellation waits for the end of the call: also in line for a connection, with the
 * command on somebody else's, and with the replies to others still to be read. */
static void a_cancelled_thread_takes_nobodys_reply_along(void)
{
    enum { STAYING = 4, LEAVING = 4 };
    redis_cache_config *config = config_with_target("max_connections=1&pool_timeout=20s&timeout=20s");
    struct riders shared = { NULL, PTHREAD_MUTEX_INITIALIZER, false, 0, 0 };
    pthread_t staying[STAYING], leaving[LEAVING];
    void *ended;
    int i, round, reads;

    STATUS(OK, redis_cache_config_set_error_fn(config, ignore_error, NULL));
    STATUS(OK, redis_cache_connect(config, &shared.cache));
    redis_cache_config_free(config);
    STATUS(OK, redis_cache_set(shared.cache, S("rider-0"), S("rider-0"), 60000));
    STATUS(OK, redis_cache_set(shared.cache, S("rider-1"), S("rider-1"), 60000));
    for (i = 0; i < STAYING; i++)
        REQUIRE(pthread_create(&staying[i], NULL, ride_on, &shared) == 0);
    for (round = 0; round < rounds(100); round++) {
        for (i = 0; i < LEAVING; i++)
            REQUIRE(pthread_create(&leaving[i], NULL, ride_until_cancelled, &shared) == 0);
        pthread_mutex_lock(&shared.lock);
        reads = shared.reads;
        while (shared.reads < reads + 10) {
            pthread_mutex_unlock(&shared.lock);
            sleep_ms(0);
            pthread_mutex_lock(&shared.lock);
        }
        pthread_mutex_unlock(&shared.lock);
        for (i = 0; i < LEAVING; i++)
            CHECK(pthread_cancel(leaving[i]) == 0);
        for (i = 0; i < LEAVING; i++) {
            CHECK(pthread_join(leaving[i], &ended) == 0);
            CHECK(ended == PTHREAD_CANCELED);
        }
    }
    pthread_mutex_lock(&shared.lock);
    shared.over = true;
    pthread_mutex_unlock(&shared.lock);
    for (i = 0; i < STAYING; i++)
        pthread_join(staying[i], NULL);
    INT(0, shared.faults);
    redis_cache_free(shared.cache);
}
#endif

void suite_threads(void)
{
    RUN(every_thread_reads_what_it_wrote);
    RUN(threads_share_fewer_connections_than_they_are);
    RUN(counters_lose_nothing);
    RUN(one_add_wins);
    RUN(operations_of_all_kinds_mix);
    RUN(handles_come_and_go_on_all_threads);
    RUN(signals_do_not_disturb_a_call);
#ifndef __SANITIZE_ADDRESS__
    RUN(a_cancelled_thread_takes_nobodys_reply_along);
#endif
}
