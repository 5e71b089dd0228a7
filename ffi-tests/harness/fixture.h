/* What a test stands on: the store named by the environment (REDIS_CACHE_TEST_TARGET: tcp, unix, tls, primary, sentinel,
 * ring, cluster or memory), in a database of this process's own, or for a ring in three that are its nodes, so that
 * programs may run side by side; but for a cluster, which has one database. Also clocks and threads. */
#ifndef FIXTURE_H
#define FIXTURE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "redis_cache.h"

#ifdef __cplusplus
extern "C" {
#endif

void fixture_begin(void); /* reads the environment, takes a database */
void fixture_empty(void); /* the store holds nothing after this */

bool on_server(void); /* one server has all keys, and a test may look into it */
bool on_single(void); /* one location, and nobody else behind it */
bool on_many(void);   /* keys are on three nodes: a ring or a cluster */
bool on_unix(void);
bool on_ring(void); /* of three nodes, node0 to node2 */
bool on_memory(void); /* the store is in this process, and a child has a copy of its own */
bool small_run(void); /* under a slow tool: leave out what is merely large */
bool under(const char *tool); /* "valgrind" or "asan" */

/* The store's URL with these options ("prefix=app&ttl=5m"; NULL: none). */
void target_url(char *url, size_t cap, const char *options);
/* These options, and time for each call on a busy machine, unless they set a timeout themselves. */
void relax(char *all, size_t cap, const char *options);
/* A ring of the first so many of the three nodes. */
void ring_url(char *url, size_t cap, int nodes, const char *options);
/* Where the server is, for clients of another kind. */
int target_db(void);
unsigned target_port(void);
const char *target_socket(void);

/* A handle on the store, or the end of the program: without one no test makes sense. */
redis_cache *open_cache(const char *options);
redis_cache_config *config_with_target(const char *options);
redis_cache_config *config_with_locations(const char *options); /* and with no more time than usual */
redis_cache *open_url(const char *url);

int64_t now_ms(void);      /* monotonic */
int64_t unix_now_ms(void); /* wall clock */
void sleep_ms(int64_t ms);
/* How much later than its time budget a call may return. */
int64_t slack_ms(void);

/* Runs the function on `count` threads at once (index 0..count-1) and waits for them all. */
#define MAX_THREADS 20
void on_threads(int count, void (*function)(int index, void *shared), void *shared);

/* A repeatable byte pattern; `fill` writes it, `filled` compares. */
void fill(void *data, size_t len, unsigned seed);
bool filled(const void *data, size_t len, unsigned seed);
void *must_alloc(size_t len);

/* The end of the program with a text: the tests cannot go on. */
#if defined(__GNUC__)
__attribute__((format(printf, 1, 2), noreturn))
#endif
void fixture_die(const char *format, ...);

#ifdef __cplusplus
}
#endif

#endif
