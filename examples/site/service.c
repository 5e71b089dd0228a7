/* An HTTP service in C that shares its cache with a Django project: users that either writes and the other reads, and a
 * report that is slow to make and made once, however many ask. libmicrohttpd gives each connection a thread; all of them
 * use one client.
 *
 *     ./service LOCATION      says its port, serves until SIGINT or SIGTERM
 *
 *     GET  /users/ID          what the cache has:     {"cache": "hit", "value": {"name": "Ada", "by": "Django"}, ...}
 *     POST /users/ID          the body is the name
 *     POST /forget            deletes user:*
 *     GET  /report            computed where it is missing
 */
#include <microhttpd.h>
#include <redis_cache.h>

#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define TTL_MS (60 * 1000)
#define NAME_MAX_LEN 100
/* As long as a query that is worth caching takes. */
#define LOAD_NS (400 * 1000 * 1000)
/* libmicrohttpd has renamed it more than once. */
#define HTTP_TOO_LARGE 413

/* What stays of a request between the calls of libmicrohttpd. */
struct request {
    char body[NAME_MAX_LEN];
    size_t len;
    bool too_long;
};

static redis_cache *cache;

/* A string of JSON. UTF-8 needs no escapes. */
static void put_string(FILE *to, const char *text, size_t len)
{
    size_t i;

    putc('"', to);
    for (i = 0; i < len; i++) {
        unsigned char c = (unsigned char)text[i];

        if (c == '"' || c == '\\')
            fprintf(to, "\\%c", c);
        else if (c < 0x20)
            fprintf(to, "\\u%04x", c);
        else
            putc(c, to);
    }
    putc('"', to);
}

/* The value is JSON already, whoever wrote it, and goes out as it is. */
static void put_value(FILE *to, const char *json, size_t len)
{
    fputs(", \"value\": ", to);
    fwrite(json, 1, len, to);
}

/* The key as others see it, and how long its value has to live. What cannot be had is left out. */
static void put_entry(FILE *to, const char *key)
{
    redis_cache_bytes wire;
    int64_t left_ms;

    if (redis_cache_make_key(cache, key, strlen(key), &wire) == REDIS_CACHE_OK) {
        fputs(", \"key\": ", to);
        put_string(to, wire.data, wire.len);
    }
    redis_cache_bytes_free(&wire);
    if (redis_cache_ttl(cache, key, strlen(key), &left_ms) == REDIS_CACHE_OK && left_ms != REDIS_CACHE_TTL_FOREVER)
        fprintf(to, ", \"ttl_ms\": %" PRId64, left_ms);
}

/* What follows writes the fields of an answer and returns its status in HTTP. */

static unsigned int refuse(FILE *to, unsigned int code, const char *why)
{
    fputs(", \"error\": ", to);
    put_string(to, why, strlen(why));
    return code;
}

/* A call of the cache has failed. Its text names servers: it is for the log. To be called right after the call, on its
 * thread, for the text is that of the thread's last error. */
static unsigned int fault(FILE *to, redis_cache_status status)
{
    fprintf(stderr, "service: %s: %s\n", redis_cache_status_name(status), redis_cache_last_error());
    if (status == REDIS_CACHE_ERR_INVALID_ARGUMENT)
        return refuse(to, MHD_HTTP_BAD_REQUEST, "no such key can be");
    return refuse(to, MHD_HTTP_SERVICE_UNAVAILABLE, redis_cache_status_name(status));
}

static unsigned int read_user(FILE *to, const char *key)
{
    redis_cache_bytes value;
    redis_cache_status status = redis_cache_get(cache, key, strlen(key), &value);

    if (status < 0)
        return fault(to, status);
    fprintf(to, ", \"cache\": \"%s\"", status == REDIS_CACHE_OK ? "hit" : "miss");
    if (status == REDIS_CACHE_OK)
        put_value(to, value.data, value.len);
    redis_cache_bytes_free(&value);
    put_entry(to, key);
    return MHD_HTTP_OK;
}

static unsigned int write_user(FILE *to, const char *key, const struct request *request)
{
    redis_cache_status status;
    char *json = NULL;
    size_t len;
    FILE *value = open_memstream(&json, &len);

    if (!value)
        return refuse(to, MHD_HTTP_SERVICE_UNAVAILABLE, "there is no memory");
    fputs("{\"name\": ", value);
    put_string(value, request->body, request->len);
    fputs(", \"by\": \"C\"}", value);
    if (fclose(value) != 0) {
        free(json);
        return refuse(to, MHD_HTTP_SERVICE_UNAVAILABLE, "there is no memory");
    }
    status = redis_cache_set(cache, key, strlen(key), json, len, TTL_MS);
    if (status == REDIS_CACHE_OK) {
        put_value(to, json, len);
        put_entry(to, key);
    }
    free(json);
    return status < 0 ? fault(to, status) : MHD_HTTP_OK;
}

static unsigned int forget_users(FILE *to)
{
    uint64_t deleted;
    redis_cache_status status = redis_cache_delete_pattern(cache, REDIS_CACHE_STR("user:*"), NULL, &deleted);

    if (status < 0)
        return fault(to, status);
    fprintf(to, ", \"deleted\": %" PRIu64, deleted);
    return MHD_HTTP_OK;
}

/* Called when there is no report, on the thread of one of those that want it. */
static int32_t load_report(void *user_data, redis_cache_writer *out)
{
    const struct timespec query = { 0, LOAD_NS };
    bool *loaded = user_data;
    char json[100];
    int len;

    *loaded = true;
    nanosleep(&query, NULL);
    len = snprintf(json, sizeof json, "{\"made\": %lld, \"by\": \"C\"}", (long long)time(NULL));
    if (redis_cache_writer_append(out, json, (size_t)len) != REDIS_CACHE_OK) {
        redis_cache_writer_fail(out, "there is no memory for the report");
        return 1;
    }
    return 0;
}

static unsigned int show_report(FILE *to)
{
    bool loaded = false;
    redis_cache_bytes report;
    redis_cache_status status =
        redis_cache_get_or_set(cache, REDIS_CACHE_STR("report"), TTL_MS, load_report, &loaded, &report);

    if (status < 0)
        return fault(to, status);
    /* BUSY: the time to wait for somebody else is over. NOT_FOUND: somebody has said that there is none. */
    if (status != REDIS_CACHE_OK && status != REDIS_CACHE_STALE)
        return refuse(to, MHD_HTTP_SERVICE_UNAVAILABLE, redis_cache_status_name(status));
    fprintf(to, ", \"loaded\": %s", loaded ? "true" : "false");
    put_value(to, report.data, report.len);
    redis_cache_bytes_free(&report);
    return MHD_HTTP_OK;
}

static unsigned int route(FILE *to, const char *path, const char *method, const struct request *request)
{
    bool post = strcmp(method, MHD_HTTP_METHOD_POST) == 0;
    char key[200];

    if (!post && strcmp(method, MHD_HTTP_METHOD_GET) != 0)
        return refuse(to, MHD_HTTP_METHOD_NOT_ALLOWED, "GET and POST are served");
    if (strncmp(path, "/users/", 7) == 0 && path[7] != '\0') {
        if (snprintf(key, sizeof key, "user:%s", path + 7) >= (int)sizeof key)
            return refuse(to, MHD_HTTP_URI_TOO_LONG, "no user has such an id");
        if (!post)
            return read_user(to, key);
        return request->too_long ? refuse(to, HTTP_TOO_LARGE, "the name is too long")
                                 : write_user(to, key, request);
    }
    if (strcmp(path, "/forget") == 0 && post)
        return forget_users(to);
    if (strcmp(path, "/report") == 0 && !post)
        return show_report(to);
    return refuse(to, MHD_HTTP_NOT_FOUND, "there is nothing here");
}

/* MHD_NO closes the connection: without memory there is nothing better to do. */
static enum MHD_Result answer(struct MHD_Connection *connection, const char *path, const char *method,
                              const struct request *request)
{
    struct MHD_Response *response = NULL;
    enum MHD_Result sent;
    unsigned int code;
    char *json = NULL;
    size_t len;
    FILE *to = open_memstream(&json, &len);

    if (!to)
        return MHD_NO;
    fputs("{\"who\": \"C\"", to);
    code = route(to, path, method, request);
    fputs("}\n", to);
    if (fclose(to) == 0)
        response = MHD_create_response_from_buffer(len, json, MHD_RESPMEM_MUST_FREE);
    if (!response) {
        free(json);
        return MHD_NO;
    }
    MHD_add_response_header(response, "Content-Type", "application/json");
    MHD_add_response_header(response, "Cache-Control", "no-store");
    /* The page comes from Django, so this is another origin. */
    MHD_add_response_header(response, "Access-Control-Allow-Origin", "*");
    sent = MHD_queue_response(connection, code, response);
    MHD_destroy_response(response);
    return sent;
}

/* libmicrohttpd calls this with the headers, with each piece of the body, and when all is there. */
static enum MHD_Result serve(void *self, struct MHD_Connection *connection, const char *path, const char *method,
                             const char *version, const char *body, size_t *body_len, void **state)
{
    struct request *request = *state;

    (void)self;
    (void)version;
    if (!request) {
        *state = calloc(1, sizeof *request);
        return *state ? MHD_YES : MHD_NO;
    }
    if (*body_len == 0)
        return answer(connection, path, method, request);
    if (*body_len > sizeof request->body - request->len) {
        request->too_long = true;
    } else {
        memcpy(request->body + request->len, body, *body_len);
        request->len += *body_len;
    }
    *body_len = 0;
    return MHD_YES;
}

static void done(void *self, struct MHD_Connection *connection, void **state, enum MHD_RequestTerminationCode how)
{
    (void)self;
    (void)connection;
    (void)how;
    free(*state);
}

int main(int argc, char **argv)
{
    struct sockaddr_in here = { 0 };
    struct MHD_Daemon *daemon;
    const union MHD_DaemonInfo *info;
    sigset_t ends;
    int signal;

    if (argc != 2) {
        fprintf(stderr, "usage: %s LOCATION\n", argv[0]);
        return 2;
    }
    /* Before there are threads, which inherit it: the signals are for sigwait() below. */
    sigemptyset(&ends);
    sigaddset(&ends, SIGINT);
    sigaddset(&ends, SIGTERM);
    pthread_sigmask(SIG_BLOCK, &ends, NULL);

    /* Nothing is connected yet: only what is wrong with the location is said here. */
    if (redis_cache_open(argv[1], &cache) != REDIS_CACHE_OK) {
        fprintf(stderr, "service: %s\n", redis_cache_last_error());
        return 1;
    }
    here.sin_family = AF_INET;
    here.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    daemon = MHD_start_daemon(MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_THREAD_PER_CONNECTION | MHD_USE_ERROR_LOG, 0,
                              NULL, NULL, serve, NULL, MHD_OPTION_SOCK_ADDR, (struct sockaddr *)&here,
                              MHD_OPTION_NOTIFY_COMPLETED, done, NULL, MHD_OPTION_CONNECTION_TIMEOUT, 30u, MHD_OPTION_END);
    info = daemon ? MHD_get_daemon_info(daemon, MHD_DAEMON_INFO_BIND_PORT) : NULL;
    if (!info) {
        fprintf(stderr, "service: it cannot listen: %s\n", strerror(errno));
        redis_cache_free(cache);
        return 1;
    }
    printf("%u\n", (unsigned)info->port);
    fflush(stdout);
    sigwait(&ends, &signal);
    /* Ends the threads, so that nobody uses the client any more. */
    MHD_stop_daemon(daemon);
    redis_cache_free(cache);
    return 0;
}
