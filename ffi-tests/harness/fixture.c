/* The store under test, clocks and threads; see fixture.h. */
#include "fixture.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "raw.h"

#define NODES 3

static const char *target;
/* Only the first one is used but for a ring. */
static int databases[NODES];

void fixture_die(const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fputc('\n', stderr);
    exit(2);
}

static const char *need(const char *name)
{
    const char *value = getenv(name);

    if (value == NULL || *value == '\0')
        fixture_die("%s is not set: run the tests by make", name);
    return value;
}

static bool on(const char *name)
{
    return strcmp(target, name) == 0;
}

void fixture_begin(void)
{
    target = need("REDIS_CACHE_TEST_TARGET");
    if (!on_server() && !on_many() && !on("memory"))
        fixture_die("REDIS_CACHE_TEST_TARGET: there is no target %s", target);
    if (on_server() || on_ring()) {
        /* Database 0 only holds the number of the last database given out. */
        struct raw raw;
        int i;

        raw_open(&raw, target_socket(), 0);
        raw_call(&raw, "INCRBY", "last-database", "3", NULL);
        for (i = 0; i < NODES; i++)
            databases[i] = 1 + (int)((raw_int(&raw) + i) % 1023);
        raw_close(&raw);
    }
    alarm(small_run() ? 240 : 90);
}

bool on_single(void)
{
    return on("tcp") || on_unix() || on("tls") || on("memory");
}

bool on_server(void)
{
    return (on_single() && !on("memory")) || on("primary") || on("sentinel");
}

bool on_ring(void)
{
    return on("ring");
}

bool on_many(void)
{
    return on_ring() || on("cluster");
}

bool on_unix(void)
{
    return on("unix");
}

bool on_memory(void)
{
    return strcmp(target, "memory") == 0;
}

bool small_run(void)
{
    return getenv("REDIS_CACHE_TEST_SMALL") != NULL;
}

bool under(const char *tool)
{
    const char *given = getenv("REDIS_CACHE_TEST_TOOL");

    return given != NULL && strcmp(given, tool) == 0;
}

int target_db(void)
{
    return databases[0];
}

static unsigned port_of(const char *what)
{
    char name[64];

    snprintf(name, sizeof name, "REDIS_CACHE_TEST_%s", what);
    return (unsigned)strtoul(need(name), NULL, 10);
}

unsigned target_port(void)
{
    return port_of(on("tls") ? "TLS_PORT" : "PORT");
}

const char *target_socket(void)
{
    return need("REDIS_CACHE_TEST_SOCKET");
}

/* The same server three times, by other names and other spellings. */
void ring_url(char *url, size_t cap, int nodes, const char *options)
{
    static const char *const more = "&";
    char all[NODES][300];

    snprintf(all[0], sizeof all[0], "redis://127.0.0.1:%u/%d?name=node0%s%s", target_port(), databases[0],
             options == NULL || *options == '\0' ? "" : more, options == NULL ? "" : options);
    snprintf(all[1], sizeof all[1], "unix://%s?db=%d&name=node1", target_socket(), databases[1]);
    snprintf(all[2], sizeof all[2], "localhost:%u?db=%d&name=node2", target_port(), databases[2]);
    if (strlen(all[0]) + strlen(all[1]) + strlen(all[2]) + NODES > cap)
        fixture_die("the URL is too long for its buffer");
    snprintf(url, cap, "%s%s%s%s%s", all[0], nodes > 1 ? "," : "", nodes > 1 ? all[1] : "", nodes > 2 ? "," : "",
             nodes > 2 ? all[2] : "");
}

void target_url(char *url, size_t cap, const char *options)
{
    const char *more = options == NULL ? "" : options;
    const char *and = *more == '\0' ? "" : "&";
    int len;

    if (on_ring()) {
        ring_url(url, cap, NODES, options);
        return;
    }
    if (on("memory")) {
        len = snprintf(url, cap, "memory://tests-%ld%s%s", (long)getpid(), *more == '\0' ? "" : "?", more);
    } else if (on("cluster")) {
        len = snprintf(url, cap, "redis://127.0.0.1:%u?topology=cluster%s%s", port_of("CLUSTER_PORT"), and, more);
    } else if (on_unix()) {
        len = snprintf(url, cap, "unix://%s?db=%d%s%s", target_socket(), databases[0], and, more);
    } else if (on("tls")) {
        len = snprintf(url, cap, "rediss://localhost:%u?db=%d&tls_ca=%s%s%s", target_port(), databases[0],
                       need("REDIS_CACHE_TEST_TLS_CA"), and, more);
    } else if (on("sentinel")) {
        len = snprintf(url, cap, "127.0.0.1:%u?topology=sentinel&sentinel_name=tests&db=%d%s%s",
                       port_of("SENTINEL_PORT"), databases[0], and, more);
    } else if (on("primary")) {
        len = snprintf(url, cap, "127.0.0.1:%u?db=%d&primary=127.0.0.1:%u%s%s,127.0.0.1:%u?db=%d", target_port(),
                       databases[0], target_port(), and, more, port_of("REPLICA_PORT"), databases[0]);
    } else {
        len = snprintf(url, cap, "redis://127.0.0.1:%u?db=%d%s%s", target_port(), databases[0], and, more);
    }
    if (len < 0 || (size_t)len >= cap)
        fixture_die("the URL is too long for its buffer");
}

static void flush(const char *socket, int db)
{
    struct raw raw;

    raw_open(&raw, socket, db);
    raw_call(&raw, "FLUSHDB", NULL);
    raw_close(&raw);
}

/* A cluster has one database, so there suites run one after the other. */
static void flush_cluster(void)
{
    char sockets[512], *socket, *rest;

    snprintf(sockets, sizeof sockets, "%s", need("REDIS_CACHE_TEST_CLUSTER_SOCKETS"));
    for (socket = strtok_r(sockets, ":", &rest); socket != NULL; socket = strtok_r(NULL, ":", &rest))
        flush(socket, 0);
}

void fixture_empty(void)
{
    /* A named memory:// store ends with its last handle, so every test begins with an empty one. */
    int i;

    if (on("cluster"))
        flush_cluster();
    for (i = 0; i < (on_ring() ? NODES : on_server() ? 1 : 0); i++)
        flush(target_socket(), databases[i]);
}

redis_cache *open_url(const char *url)
{
    redis_cache *cache = NULL;

    if (redis_cache_open(url, &cache) != REDIS_CACHE_OK)
        fixture_die("cannot open %s: %s", url, redis_cache_last_error());
    return cache;
}

static bool names(const char *options, const char *option)
{
    size_t len = strlen(option);

    for (const char *at = options; (at = strstr(at, option)) != NULL; at += len)
        if ((at == options || at[-1] == '&') && at[len] == '=') return true;
    return false;
}

void relax(char *all, size_t cap, const char *options)
{
    static const char *const patience[] = { "timeout", "connect_timeout", "pool_timeout" };
    size_t at = (size_t)snprintf(all, cap, "%s", options == NULL ? "" : options);

    for (size_t i = 0; i < sizeof patience / sizeof *patience && at < cap; i++)
        if (!names(all, patience[i]))
            at += (size_t)snprintf(all + at, cap - at, "%s%s=20s", at == 0 ? "" : "&", patience[i]);
    if (at >= cap) fixture_die("too many options: %s", options);
}

redis_cache *open_cache(const char *options)
{
    char url[512], all[300];

    relax(all, sizeof all, options);
    target_url(url, sizeof url, all);
    return open_url(url);
}

redis_cache_config *config_with_target(const char *options)
{
    char all[300];

    relax(all, sizeof all, options);
    return config_with_locations(all);
}

redis_cache_config *config_with_locations(const char *options)
{
    char url[512];
    redis_cache_config *config = redis_cache_config_new();
    char *server, *rest;

    target_url(url, sizeof url, options);
    for (server = strtok_r(url, ",", &rest); server != NULL; server = strtok_r(NULL, ",", &rest))
        if (config == NULL || redis_cache_config_add_server(config, server, NULL, 1) != REDIS_CACHE_OK)
            fixture_die("cannot configure %s: %s", server, redis_cache_last_error());
    return config;
}

static int64_t read_clock(clockid_t clock)
{
    struct timespec now;

    clock_gettime(clock, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

int64_t now_ms(void)
{
    return read_clock(CLOCK_MONOTONIC);
}

int64_t unix_now_ms(void)
{
    return read_clock(CLOCK_REALTIME);
}

void sleep_ms(int64_t ms)
{
    struct timespec left;

    left.tv_sec = (time_t)(ms / 1000);
    left.tv_nsec = (long)(ms % 1000) * 1000000;
    while (nanosleep(&left, &left) != 0)
        continue;
}

int64_t slack_ms(void)
{
    const char *given = getenv("REDIS_CACHE_TEST_SLACK_MS");

    return given == NULL ? 1000 : strtol(given, NULL, 10);
}

struct task {
    void (*function)(int index, void *shared);
    int index;
    void *shared;
};

static void *run_task(void *argument)
{
    struct task *task = argument;

    task->function(task->index, task->shared);
    return NULL;
}

void on_threads(int count, void (*function)(int index, void *shared), void *shared)
{
    pthread_t threads[MAX_THREADS];
    struct task tasks[MAX_THREADS];
    int i;

    if (count > MAX_THREADS)
        fixture_die("at most %d threads", MAX_THREADS);
    for (i = 0; i < count; i++) {
        tasks[i].function = function;
        tasks[i].index = i;
        tasks[i].shared = shared;
        if (pthread_create(&threads[i], NULL, run_task, &tasks[i]) != 0)
            fixture_die("cannot start a thread");
    }
    for (i = 0; i < count; i++)
        pthread_join(threads[i], NULL);
}

static unsigned char pattern(size_t index, unsigned seed)
{
    return (unsigned char)((index * 131 + index / 251 + seed * 7) & 0xff);
}

void fill(void *data, size_t len, unsigned seed)
{
    unsigned char *bytes = data;
    size_t i;

    for (i = 0; i < len; i++)
        bytes[i] = pattern(i, seed);
}

bool filled(const void *data, size_t len, unsigned seed)
{
    const unsigned char *bytes = data;
    size_t i;

    for (i = 0; i < len; i++) {
        if (bytes[i] != pattern(i, seed))
            return false;
    }
    return true;
}

void *must_alloc(size_t len)
{
    void *data = malloc(len == 0 ? 1 : len);

    if (data == NULL)
        fixture_die("out of memory: %lu bytes", (unsigned long)len);
    return data;
}
