/* The near cache under writes of others and of its own process, through the C API: one row of the table of run.sh.
 * Usage: torture LOCATION SECONDS */
#include "redis_cache.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define HOT 20000
#define MOST_WRITES (1 << 20)

static redis_cache *near, *other;
static atomic_bool over;
/* When the write of this number was answered. */
static _Atomic int64_t answered[MOST_WRITES];
static _Atomic int64_t oldest, violations, reads;
static int64_t seconds;

static int64_t now_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static void must(redis_cache_status status) {
    if (status != REDIS_CACHE_OK) {
        fprintf(stderr, "status %d: %s\n", (int)status, redis_cache_last_error());
        exit(1);
    }
}

static int64_t get(const char *key) {
    int64_t number = 0;
    must(redis_cache_get_int(near, key, strlen(key), &number));
    return number;
}

static void *read_on(void *unused) {
    while (!over) get("k");
    return unused;
}

/* 2 ms after the answer to a write of somebody else the news of it have come. */
static int stale_after_the_news(void) {
    struct timespec pause = {0, 2000000};
    pthread_t readers[3];
    int stale = 0;
    must(redis_cache_set_int(other, "k", 1, 0, 600000));
    over = false;
    for (int i = 0; i < 3; i++) pthread_create(&readers[i], NULL, read_on, NULL);
    for (int64_t round = 0; round < 500 * seconds; round++) {
        must(redis_cache_set_int(other, "k", 1, round, 600000));
        nanosleep(&pause, NULL);
        stale += get("k") != round;
    }
    over = true;
    for (int i = 0; i < 3; i++) pthread_join(readers[i], NULL);
    return stale;
}

/* How long ago the write was answered that a read, when it began, ought to have seen. */
static void *measure_age(void *unused) {
    while (!over) {
        int64_t began = now_ns(), seen = get("k");
        int64_t next = seen + 1 < MOST_WRITES ? answered[seen + 1] : 0, before = oldest;
        while (next != 0 && began - next > before && !atomic_compare_exchange_weak(&oldest, &before, began - next)) continue;
    }
    return unused;
}

static void oldest_value(void) {
    struct timespec pause = {0, 200000};
    pthread_t readers[4];
    int64_t ends = now_ns() + seconds * 1000000000;
    must(redis_cache_set_int(other, "k", 1, 0, 600000));
    over = false;
    for (int i = 0; i < 4; i++) pthread_create(&readers[i], NULL, measure_age, NULL);
    for (int64_t number = 1; number < MOST_WRITES && now_ns() < ends; number++) {
        must(redis_cache_set_int(other, "k", 1, number, 600000));
        answered[number] = now_ns();
        nanosleep(&pause, NULL);
    }
    over = true;
    for (int i = 0; i < 4; i++) pthread_join(readers[i], NULL);
}

static void *write_and_read(void *argument) {
    char key[16];
    int64_t ends = now_ns() + seconds * 1000000000;
    snprintf(key, sizeof key, "own%d", *(int *)argument);
    for (int64_t number = 1; now_ns() < ends; number++) {
        must(redis_cache_set_int(near, key, strlen(key), number, 600000));
        for (int i = 0; i < 4; i++) violations += get(key) != number;
    }
    return NULL;
}

static void *hit(void *argument) {
    char key[16], into[128];
    size_t len;
    unsigned seed = (unsigned)*(int *)argument;
    int64_t ends = now_ns() + seconds * 1000000000, count = 0;
    while (count % 1024 != 0 || now_ns() < ends) {
        seed = seed * 1103515245 + 12345;
        int n = snprintf(key, sizeof key, "hot%u", (seed >> 8) % HOT);
        must(redis_cache_get_into(near, key, (size_t)n, into, sizeof into, &len));
        count++;
    }
    reads += count;
    return NULL;
}

static void on_threads(int count, void *(*work)(void *)) {
    pthread_t threads[8];
    int numbers[8];
    for (int i = 0; i < count; i++) {
        numbers[i] = i;
        pthread_create(&threads[i], NULL, work, &numbers[i]);
    }
    for (int i = 0; i < count; i++) pthread_join(threads[i], NULL);
}

static int64_t hits_a_second(int threads) {
    reads = 0;
    on_threads(threads, hit);
    return reads / seconds;
}

int main(int argc, char **argv) {
    char url[512], value[100], key[16];
    if (argc != 3) return 2;
    seconds = atoi(argv[2]);
    snprintf(url, sizeof url, "%s?near=64m&timeout=20s", argv[1]);
    must(redis_cache_open(url, &near));
    snprintf(url, sizeof url, "%s?timeout=20s", argv[1]);
    must(redis_cache_open(url, &other));
    int stale = stale_after_the_news();
    oldest_value();
    on_threads(8, write_and_read);
    memset(value, 'x', sizeof value);
    for (int i = 0; i < HOT; i++) {
        int n = snprintf(key, sizeof key, "hot%d", i);
        must(redis_cache_set(other, key, (size_t)n, value, sizeof value, 600000));
    }
    hits_a_second(1);
    int64_t one = hits_a_second(1), eight = hits_a_second(8);
    printf("| redis_cache (C) | %d | %.2f | %lld | %lld | %lld | %lld |\n", stale, (double)oldest / 1e6, (long long)violations,
           (long long)(1000000000 / one), (long long)one, (long long)eight);
    redis_cache_free(near);
    redis_cache_free(other);
    return 0;
}
