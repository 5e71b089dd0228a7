/* The runner: every peer in turn for a short slice, again and again, and the medians of the slices. What it finds goes
 * to stdout, a line `workload peer per_second ratio user_ns allocations p50 p99 p999` each (tabs; `-` where there is none);
 * report.py makes a document of it. Usage: bench smoke|quick|full|only PEER.so... (this library first) */
#define _GNU_SOURCE
#include "peer.h"
#include "redis_cache.h"

#include <arpa/inet.h>
#include <dlfcn.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define MOST_PEERS 8
#define MOST_ROUNDS 128
#define MOST_THREADS 256
#define SAMPLE 65536

/* Allocations are counted where all peers make them: the program's malloc is everybody's. */
static _Thread_local unsigned long allocations;
extern void *__libc_malloc(size_t), *__libc_calloc(size_t, size_t), *__libc_realloc(void *, size_t);
void *malloc(size_t size) { allocations++; return __libc_malloc(size); }
void *calloc(size_t n, size_t size) { allocations++; return __libc_calloc(n, size); }
void *realloc(void *old, size_t size) { allocations++; return __libc_realloc(old, size); }

static const struct peer *peers[MOST_PEERS];
static size_t peer_count;
static int rounds = 61, slice_ms = 10;
static long many_keys = 1000000;
static const char *location;

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static double user_time(void) {
    struct rusage use;
    getrusage(RUSAGE_SELF, &use); /* a peer may have threads of its own */
    return (double)use.ru_utime.tv_sec + (double)use.ru_utime.tv_usec * 1e-6;
}

static void must(int good, const char *what) {
    if (good) return;
    fprintf(stderr, "bench: %s failed: %s\n", what, redis_cache_last_error());
    exit(1);
}

static int up(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double at(double *values, size_t count, double part) {
    qsort(values, count, sizeof *values, up);
    size_t i = (size_t)(part * (double)count);
    return values[i < count ? i : count - 1];
}

static void left_out(const char *workload, const char *peer, const char *why) {
    printf("# %s\t%s\t%s\n", workload, peer, why);
    fflush(stdout);
}

/* What a slice does again and again. */
struct job {
    const struct peer *peer;
    void *handle;
    int (*step)(struct job *);
    const char *prefix;
    struct text *keys, value;
    size_t count, key_count, next;
    unsigned seed;
};

static int step_get(struct job *job) { return job->peer->get(job->handle, job->keys[0]) < 0; }
static int step_set(struct job *job) { return job->peer->set(job->handle, job->keys[0], job->value); }
static int step_mget(struct job *job) { return job->peer->mget(job->handle, job->keys, job->count); }
static int step_mset(struct job *job) { return job->peer->mset(job->handle, job->keys, job->count, job->value); }

static int32_t load(void *value, redis_cache_writer *out) {
    return redis_cache_writer_append(out, value, 100) == REDIS_CACHE_OK ? 0 : 1;
}
static char hundred[100];
static int computed(struct job *job, const char *key, int64_t ttl, redis_cache_status expected) {
    redis_cache_bytes value;
    redis_cache_status got = redis_cache_get_or_set(job->handle, key, strlen(key), ttl, load, hundred, &value);
    if (got != REDIS_CACHE_OK && got != REDIS_CACHE_STALE) return -1;
    redis_cache_bytes_free(&value);
    return got == expected ? 0 : -1;
}
static int step_hit(struct job *job) { return computed(job, "computed", 300000, REDIS_CACHE_OK); }
static int step_stale(struct job *job) { return computed(job, "old", 300000, REDIS_CACHE_STALE); }
/* With a lifetime of nothing it is not there the next time either. */
static int step_computed(struct job *job) { return computed(job, "missing", 0, REDIS_CACHE_OK); }

/* Which of n keys is asked for: Zipf, 0.99. */
static unsigned zipf[SAMPLE];
static double power(double base, double exponent) { return __builtin_pow(base, exponent); }
static void make_zipf(long n) {
    double *sum = malloc(sizeof *sum * (size_t)n), all = 0;
    must(sum != NULL, "memory");
    for (long i = 0; i < n; i++) sum[i] = all += 1 / power((double)i + 1, 0.99);
    unsigned seed = 1;
    for (size_t i = 0; i < SAMPLE; i++) {
        double want = all * rand_r(&seed) / ((double)RAND_MAX + 1);
        long low = 0, high = n - 1;
        while (low < high) {
            long middle = (low + high) / 2;
            if (sum[middle] < want) low = middle + 1;
            else high = middle;
        }
        zipf[i] = (unsigned)low;
    }
    free(sum);
}
static int step_zipf(struct job *job) {
    char name[32];
    int len = snprintf(name, sizeof name, "%s%u", job->prefix, zipf[job->next++ % SAMPLE]);
    struct text key = {name, (size_t)len};
    if (job->next % 20 == 0) return job->peer->set(job->handle, key, job->value);
    return job->peer->get(job->handle, key) < 0;
}

struct result { double rate, calls, user, allocs; };

static struct result slice(struct job *job) {
    unsigned long allocated = allocations, calls = 0;
    double begin = now(), user = user_time(), end;
    do {
        for (int i = 0; i < 4; i++) must(job->step(job) == 0, job->peer->name);
        calls += 4;
        end = now();
    } while (end - begin < slice_ms * 1e-3);
    struct result r = {(double)calls / (end - begin), (double)calls, user_time() - user,
                       (double)(allocations - allocated)};
    return r;
}

/* How long calls took: 16 steps a power of two, from 1 ns to 18 minutes. */
struct times { unsigned steps[40 * 16]; };

static void note(struct times *times, double seconds) {
    unsigned long ns = (unsigned long)(seconds * 1e9) | 16, power = 63 - (unsigned long)__builtin_clzl(ns);
    size_t step = power * 16 + (ns >> (power - 4)) % 16;
    times->steps[step < 40 * 16 ? step : 40 * 16 - 1]++;
}

static double quantile(const struct times *times, double part) {
    double all = 0, seen = 0;
    for (size_t i = 0; i < 40 * 16; i++) all += times->steps[i];
    for (size_t i = 0; i < 40 * 16; i++)
        if ((seen += times->steps[i]) > part * all) return (double)(1ul << i / 16) * (1 + (double)(i % 16 + 1) / 16);
    return 0;
}

/* The rates of all peers, a line for each, and of the first over each: the median over the rounds, for within one the
 * machine is as busy for all. */
static double rate[MOST_PEERS][MOST_ROUNDS];
static void lines(const char *workload, const struct job *jobs, size_t count, const struct result *sums,
                  const struct times *times) {
    static double ratio[MOST_PEERS][MOST_ROUNDS];
    for (size_t j = 0; j < count; j++)
        for (int r = 0; r < rounds; r++) ratio[j][r] = rate[0][r] / rate[j][r];
    for (size_t j = 0; j < count; j++) {
        printf("%s\t%s\t%.0f\t%.3f", workload, jobs[j].peer->name, at(rate[j], (size_t)rounds, 0.5),
               at(ratio[j], (size_t)rounds, 0.5));
        /* The kernel tells user time in ticks: only its sum means something. */
        if (sums != NULL) printf("\t%.0f\t%.1f", sums[j].user / sums[j].calls * 1e9, sums[j].allocs / sums[j].calls);
        else printf("\t-\t-");
        if (times == NULL) printf("\t-\t-\t-\n");
        else printf("\t%.0f\t%.0f\t%.0f\n", quantile(&times[j], 0.5), quantile(&times[j], 0.99), quantile(&times[j], 0.999));
    }
    fflush(stdout);
}

/* A new order for every round: nobody always comes after the same one. */
static void shuffle(size_t *order, size_t count) {
    static unsigned seed = 1;
    for (size_t i = 0; i < count; i++) {
        size_t j = (size_t)rand_r(&seed) % (i + 1);
        order[i] = order[j];
        order[j] = i;
    }
}

/* Alternating slices of all jobs. */
static void compare(const char *workload, struct job *jobs, size_t count) {
    struct result sums[MOST_PEERS] = {{0, 0, 0, 0}};
    size_t order[MOST_PEERS];
    for (size_t j = 0; j < count; j++) slice(&jobs[j]);
    for (int r = 0; r < rounds; r++) {
        shuffle(order, count);
        for (size_t i = 0; i < count; i++) {
            size_t j = order[i];
            struct result got = slice(&jobs[j]);
            rate[j][r] = got.rate;
            sums[j].calls += got.calls, sums[j].user += got.user, sums[j].allocs += got.allocs;
        }
    }
    lines(workload, jobs, count, sums, NULL);
}

static struct text names[1000];
static char *large;

static size_t open_all(struct job *jobs, const char *where, int connections, int pools_only) {
    size_t count = 0;
    for (size_t p = 0; p < peer_count; p++) {
        if (pools_only ? peers[p]->pool == 0 : peers[p]->pool == 2) continue;
        void *handle = peers[p]->open(where, connections);
        if (handle != NULL) jobs[count++] = (struct job){.peer = peers[p], .handle = handle, .keys = names, .prefix = "z:"};
    }
    return count;
}

static void close_all(struct job *jobs, size_t count) {
    for (size_t j = 0; j < count; j++) jobs[j].peer->close(jobs[j].handle);
}

static void each(struct job *jobs, size_t count, const char *workload, int (*step)(struct job *), size_t keys, size_t bytes) {
    for (size_t j = 0; j < count; j++) {
        jobs[j].step = step, jobs[j].count = keys, jobs[j].value = (struct text){large, bytes};
        if (step == step_get) must(step_set(&jobs[j]) == 0, "SET");
        if (step == step_mget) must(step_mset(&jobs[j]) == 0, "MSET");
    }
    compare(workload, jobs, count);
}

static void one_key(void) {
    static const struct { const char *name; size_t bytes; } sizes[] = {
        {"100 B", 100}, {"1 KB", 1 << 10}, {"100 KB", 100 << 10}, {"1 MB", 1 << 20}};
    struct job jobs[MOST_PEERS];
    char name[64];
    size_t count = open_all(jobs, location, 1, 0);
    for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++) {
        snprintf(name, sizeof name, "GET %s", sizes[s].name);
        each(jobs, count, name, step_get, 1, sizes[s].bytes);
        snprintf(name, sizeof name, "SET %s", sizes[s].name);
        each(jobs, count, name, step_set, 1, sizes[s].bytes);
    }
    close_all(jobs, count);
}

static void many(const char *topology, const char *where) {
    struct job jobs[MOST_PEERS];
    char name[64];
    if (where == NULL) return left_out(topology, "all", "there is no such topology");
    size_t count = open_all(jobs, where, 1, 0);
    for (size_t keys = 10; keys <= 1000; keys *= 10) {
        snprintf(name, sizeof name, "MGET %zu, %s", keys, topology);
        each(jobs, count, name, step_mget, keys, 100);
        snprintf(name, sizeof name, "MSET %zu, %s", keys, topology);
        each(jobs, count, name, step_mset, keys, 100);
    }
    close_all(jobs, count);
}

static void fill(struct job *job, const char *prefix, long n) {
    static char text[1000][24];
    struct text keys[1000];
    for (long from = 0; from < n; from += 1000) {
        for (size_t i = 0; i < 1000; i++)
            keys[i] = (struct text){text[i], (size_t)snprintf(text[i], sizeof text[i], "%s%ld", prefix, from + (long)i)};
        must(job->peer->mset(job->handle, keys, 1000, job->value) == 0, "filling");
    }
}

static void mixed(void) {
    struct job jobs[MOST_PEERS];
    char name[64];
    make_zipf(many_keys);
    size_t count = open_all(jobs, location, 1, 0);
    snprintf(name, sizeof name, "Zipf 0.99, 95/5, %ld keys", many_keys);
    for (size_t j = 0; j < count; j++) {
        jobs[j].step = step_zipf, jobs[j].value = (struct text){large, 100};
        /* Most of them share their keys. */
        char last[32];
        struct text key = {last, (size_t)snprintf(last, sizeof last, "z:%ld", many_keys - 1)};
        if (jobs[j].peer->get(jobs[j].handle, key) < 0) fill(&jobs[j], "z:", many_keys);
    }
    compare(name, jobs, count);
    close_all(jobs, count);
}

static void herd(void) {
    static const struct { const char *name; int (*step)(struct job *); } kinds[] = {
        {"get_or_set hit", step_hit}, {"get_or_set stale", step_stale}, {"get_or_set computed", step_computed}};
    struct job job = {.peer = peers[0]};
    char url[1024];
    redis_cache_bytes bytes;
    redis_cache_lease *lease = NULL;
    redis_cache *cache;
    snprintf(url, sizeof url, "%s?stale=10m&lease=10m", location);
    must(redis_cache_open(url, &cache) == REDIS_CACHE_OK, "opening");
    job.handle = cache;
    must(step_hit(&job) == 0, "get_or_set");
    /* One that somebody is renewing. */
    must(redis_cache_set(cache, "old", 3, hundred, 100, 300000) == REDIS_CACHE_OK, "SET");
    must(redis_cache_expire_soft(cache, "old", 3) == REDIS_CACHE_OK, "expire_soft");
    for (int i = 0; i < 1000 && lease == NULL; i++)
        if (redis_cache_lease_begin(cache, "old", 3, &bytes, &lease) >= REDIS_CACHE_OK) redis_cache_bytes_free(&bytes);
    must(lease != NULL, "a lease");
    for (size_t k = 0; k < 3; k++) job.step = kinds[k].step, compare(kinds[k].name, &job, 1);
    redis_cache_lease_abandon(lease);
    redis_cache_free(cache);
}

static void near(void) {
    char url[1024];
    struct job job = {.peer = peers[0], .keys = names, .prefix = "z:", .value = {hundred, 100}};
    redis_cache *cache;
    snprintf(url, sizeof url, "%s?near=64m", location);
    if (redis_cache_open(url, &cache) != REDIS_CACHE_OK) return left_out("near hit", "redis_cache", redis_cache_last_error());
    job.handle = cache;
    must(job.peer->set(cache, names[0], job.value) == 0, "SET");
    job.step = step_get, compare("near hit", &job, 1);
    fill(&job, "z:", many_keys); /* what was filled in before may be over */
    redis_cache_stats stats;
    redis_cache_stats_reset(cache);
    job.step = step_zipf, compare("near, Zipf 0.99, 95/5", &job, 1);
    must(redis_cache_stats_read(cache, &stats, sizeof stats) == REDIS_CACHE_OK, "stats");
    printf("= near hit ratio\t%.1f %%\n", 100.0 * (double)stats.near_hits / (double)(stats.hits + stats.misses));
    redis_cache_free(cache);
}

static atomic_int going;
struct client { struct job job; struct times times; };
static void *client(void *data) {
    struct client *my = data;
    size_t calls = 0;
    for (double begin = now(), end; going; calls++, begin = end) {
        must(step_get(&my->job) == 0, my->job.peer->name);
        end = now();
        note(&my->times, end - begin);
    }
    my->job.next = calls;
    return NULL;
}

/* Slices are longer than those of one thread: to start 256 takes a while. */
static void threads_at(int threads, int connections) {
    static struct client mine[MOST_THREADS];
    static struct times times[MOST_PEERS];
    struct job jobs[MOST_PEERS];
    pthread_t ids[MOST_THREADS];
    char name[64];
    size_t order[MOST_PEERS];
    int all_rounds = rounds, length = slice_ms * 5;
    size_t count = open_all(jobs, location, connections, 1);
    rounds = (rounds + 3) / 4;
    memset(times, 0, sizeof times);
    snprintf(name, sizeof name, "threads %d:%d", threads, connections);
    for (size_t j = 0; j < count; j++) jobs[j].value = (struct text){hundred, 100}, must(step_set(&jobs[j]) == 0, "SET");
    for (int r = -1; r < rounds; r++) {
        shuffle(order, count);
        for (size_t i = 0; i < count; i++) {
            size_t j = order[i];
            double calls = 0, begin = now();
            going = 1;
            for (int t = 0; t < threads; t++) {
                mine[t] = (struct client){.job = jobs[j]};
                must(pthread_create(&ids[t], NULL, client, &mine[t]) == 0, "a thread");
            }
            usleep((unsigned)length * 1000);
            going = 0;
            for (int t = 0; t < threads; t++) pthread_join(ids[t], NULL), calls += (double)mine[t].job.next;
            if (r < 0) continue;
            rate[j][r] = calls / (now() - begin);
            for (int t = 0; t < threads; t++)
                for (size_t i = 0; i < 40 * 16; i++) times[j].steps[i] += mine[t].times.steps[i];
        }
    }
    lines(name, jobs, count, NULL, times);
    rounds = all_rounds;
    close_all(jobs, count);
}

/* One client on a schedule: how late an answer is counts from when its question was due, so that a stall is not hidden. */
static void fixed_rate(int per_second) {
    struct job jobs[MOST_PEERS];
    char name[64];
    size_t each_slice = (size_t)per_second * (size_t)slice_ms * 4 / 1000, got = 0;
    size_t count = open_all(jobs, location, 1, 0), order[MOST_PEERS];
    double *late[MOST_PEERS];
    snprintf(name, sizeof name, "GET 100 B at %d/s", per_second);
    for (size_t j = 0; j < count; j++) {
        jobs[j].value = (struct text){hundred, 100}, must(step_set(&jobs[j]) == 0, "SET");
        must((late[j] = malloc(sizeof(double) * each_slice * (size_t)rounds)) != NULL, "memory");
    }
    for (int r = 0; r < rounds; r++, got += each_slice) {
        shuffle(order, count);
        for (size_t o = 0; o < count; o++) {
            size_t j = order[o];
            double begin = now();
            for (size_t i = 0; i < each_slice; i++) {
                double due = begin + (double)i / per_second;
                while (now() < due) {}
                must(step_get(&jobs[j]) == 0, jobs[j].peer->name);
                late[j][got + i] = now() - due;
            }
        }
    }
    for (size_t j = 0; j < count; j++) {
        printf("%s\t%s\t%d\t-\t-\t-\t%.0f\t%.0f\t%.0f\n", name, jobs[j].peer->name, per_second, at(late[j], got, 0.5) * 1e9,
               at(late[j], got, 0.99) * 1e9, at(late[j], got, 0.999) * 1e9);
        free(late[j]);
    }
    fflush(stdout);
    close_all(jobs, count);
}

static double used_memory(void) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    char text[16384];
    size_t len = 0;
    int s = socket(AF_INET, SOCK_STREAM, 0);
    address.sin_port = htons((uint16_t)atoi(strrchr(location, ':') + 1));
    must(connect(s, (struct sockaddr *)&address, sizeof address) == 0 && write(s, "INFO memory\r\nQUIT\r\n", 19) == 19, "INFO");
    for (ssize_t n; len < sizeof text - 1 && (n = read(s, text + len, sizeof text - 1 - len)) > 0;) len += (size_t)n;
    close(s);
    text[len] = 0;
    char *found = strstr(text, "used_memory:");
    must(found != NULL, "INFO");
    return strtod(found + strlen("used_memory:"), NULL);
}

static double worst;
static void *bystander(void *data) {
    struct job *job = data;
    while (going) {
        double begin = now();
        must(step_get(job) == 0, "a bystander's GET");
        if (now() - begin > worst) worst = now() - begin;
    }
    return NULL;
}

static void pattern(void) {
    struct job job = {.peer = peers[0], .handle = peers[0]->open(location, 4), .keys = names, .value = {hundred, 100}};
    uint64_t deleted = 0;
    pthread_t id;
    must(job.handle != NULL && step_set(&job) == 0, "opening");
    double before = used_memory();
    fill(&job, "pattern:", many_keys);
    printf("= memory per entry of 100 B in Redis, %ld keys\t%.0f B\n", many_keys, (used_memory() - before) / (double)many_keys);
    going = 1;
    must(pthread_create(&id, NULL, bystander, &job) == 0, "a thread");
    double begin = now();
    must(redis_cache_delete_pattern(job.handle, "pattern:*", 9, NULL, &deleted) == REDIS_CACHE_OK, "delete_pattern");
    double took = now() - begin;
    going = 0;
    pthread_join(id, NULL);
    must((long)deleted == many_keys, "deleting them all");
    printf("= delete_pattern of %ld keys\t%.2f s\n= the worst GET of a bystander meanwhile\t%.2f ms\n", many_keys, took, worst * 1e3);
    job.peer->close(job.handle);
}

/* N operations and nothing else, for a tool that counts system calls. */
static int only(const char *operation, long n) {
    struct job job;
    int is_get = strcmp(operation, "GET") == 0, is_set = strcmp(operation, "SET") == 0;
    if (open_all(&job, location, 1, 0) != 1) return 3;
    job.count = 100, job.value = (struct text){hundred, 100};
    must(step_mset(&job) == 0, "MSET");
    for (long i = 0; i < n; i++) must((is_get ? step_get : is_set ? step_set : step_mget)(&job) == 0, operation);
    close_all(&job, 1);
    return 0;
}

int main(int argc, char **argv) {
    static char text[1000][16];
    static const int cells[][2] = {{1, 1}, {2, 2}, {8, 8}, {2, 1}, {8, 2}, {64, 2}, {64, 8}, {64, 16}, {256, 8}, {256, 16}};
    const char *kind = argc > 1 ? argv[1] : "";
    location = getenv("BENCH_SINGLE");
    must(argc > 2 && location != NULL, "usage: run.sh starts this");
    if (strcmp(kind, "quick") == 0) rounds = 15, slice_ms = 10, many_keys = 100000;
    if (strcmp(kind, "smoke") == 0) rounds = 1, slice_ms = 5, many_keys = 2000;
    for (int i = 2; i < argc && peer_count < MOST_PEERS; i++) {
        void *object = dlopen(argv[i], RTLD_NOW | RTLD_LOCAL);
        const struct peer *peer = object != NULL ? dlsym(object, "bench_peer") : NULL;
        void *trial = peer != NULL ? peer->open(location, 1) : NULL;
        if (trial == NULL) left_out("every workload", peer != NULL ? peer->name : argv[i], peer != NULL ? "does not open" : dlerror());
        if (trial == NULL) continue;
        peer->close(trial);
        peers[peer_count++] = peer;
        printf("@ %s\t%s\n", peer->name, peer->version);
    }
    must(peer_count > 0, "loading a peer");
    must((large = malloc(1 << 20)) != NULL, "memory");
    memset(large, 'x', 1 << 20);
    memset(hundred, 'x', sizeof hundred);
    for (size_t i = 0; i < 1000; i++)
        names[i] = (struct text){text[i], (size_t)snprintf(text[i], sizeof text[i], "key:%zu", i)};
    if (strcmp(kind, "only") == 0) return only(getenv("BENCH_OPERATION"), atol(getenv("BENCH_TIMES")));
    pattern(); /* while there is nothing else on the server */
    one_key();
    many("single", location);
    many("ring", getenv("BENCH_RING"));
    many("cluster", getenv("BENCH_CLUSTER"));
    mixed();
    for (size_t i = 0; i < sizeof cells / sizeof *cells; i++) threads_at(cells[i][0], cells[i][1]);
    herd();
    near();
    fixed_rate(5000);
    return 0;
}
