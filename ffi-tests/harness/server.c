/* Real servers and false ones; see server.h. */
#include "server.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>
#ifdef __linux__
#include <sys/prctl.h>
#endif

#include "fixture.h"
#include "raw.h"

static void name_socket(char *path, size_t cap, const char *kind)
{
    static int count;
    const char *target = target_socket(), *slash = strrchr(target, '/');

    if (slash == NULL ||
        snprintf(path, cap, "%.*s/%s-%ld-%d", (int)(slash - target), target, kind, (long)getpid(), ++count) >= (int)cap)
        fixture_die("no path for a socket beside %s", target);
}

static int listen_on_tcp(unsigned *port, int backlog)
{
    struct sockaddr_in address;
    socklen_t len = sizeof address;
    int listener = socket(AF_INET, SOCK_STREAM, 0);

    memset(&address, 0, sizeof address);
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (listener < 0 || bind(listener, (struct sockaddr *)&address, sizeof address) != 0 ||
        listen(listener, backlog) != 0 || getsockname(listener, (struct sockaddr *)&address, &len) != 0)
        fixture_die("cannot listen on 127.0.0.1");
    *port = ntohs(address.sin_port);
    return listener;
}

static void unix_address(struct sockaddr_un *address, const char *path)
{
    memset(address, 0, sizeof *address);
    address->sun_family = AF_UNIX;
    memcpy(address->sun_path, path, strlen(path)); /* name_socket() saw to its length */
}

static int listen_on_unix(const char *path, int backlog)
{
    struct sockaddr_un address;
    int listener = socket(AF_UNIX, SOCK_STREAM, 0);

    unix_address(&address, path);
    if (listener < 0 || bind(listener, (struct sockaddr *)&address, sizeof address) != 0 || listen(listener, backlog) != 0)
        fixture_die("cannot listen on %s", path);
    return listener;
}

static void make_url(char *url, size_t cap, unsigned port, const char *socket, const char *options)
{
    const char *more = options == NULL ? "" : options;
    int len;

    if (on_unix())
        len = snprintf(url, cap, "unix://%s?%s", socket, more);
    else
        len = snprintf(url, cap, "redis://127.0.0.1:%u?%s", port, more);
    if (len >= 0 && url[len - 1] == '?')
        url[len - 1] = '\0';
}

void server_prepare(struct server *server, const char *option, const char *value)
{
    memset(server, 0, sizeof *server);
    server->option = option;
    server->value = value;
    name_socket(server->socket, sizeof server->socket, "own");
    close(listen_on_tcp(&server->port, 1));
    if (on_unix())
        snprintf(server->name, sizeof server->name, "%s", server->socket);
    else
        snprintf(server->name, sizeof server->name, "127.0.0.1:%u", server->port);
}

static void run_server(const struct server *server)
{
    const char *program = getenv("REDIS_CACHE_TEST_SERVER");
    char port[16], log[128];
    int null = open("/dev/null", O_RDWR);

#ifdef __linux__
    prctl(PR_SET_PDEATHSIG, SIGKILL);
#endif
    dup2(null, 0);
    dup2(null, 1);
    dup2(null, 2);
    snprintf(port, sizeof port, "%u", server->port);
    snprintf(log, sizeof log, "%s.log", server->socket);
    execl(program == NULL ? "redis-server" : program, "redis-server", "--port", port, "--bind", "127.0.0.1",
          "--unixsocket", server->socket, "--logfile", log, "--save", "", "--appendonly", "no", "--daemonize", "no",
          server->option == NULL ? (char *)NULL : server->option, server->value, (char *)NULL);
    _exit(127);
}

void server_start(struct server *server)
{
    int64_t deadline = now_ms() + 20000;
    struct raw raw;

    do {
        if (server->pid == 0) {
            server->pid = fork();
            if (server->pid == 0)
                run_server(server);
        }
        sleep_ms(10);
        if (raw_try_open(&raw, server->socket, 0)) {
            raw_call(&raw, "PING", NULL); /* also answered when it wants a password */
            raw_close(&raw);
            return;
        }
        if (waitpid(server->pid, NULL, WNOHANG) == server->pid)
            server->pid = 0; /* its port was taken meanwhile: once more */
    } while (now_ms() < deadline);
    fixture_die("no redis-server came up; see %s.log", server->socket);
}

void server_stop(struct server *server)
{
    if (server->pid != 0) {
        kill(server->pid, SIGKILL);
        waitpid(server->pid, NULL, 0);
        server->pid = 0;
        unlink(server->socket);
    }
}

void server_pause(struct server *server, bool paused)
{
    kill(server->pid, paused ? SIGSTOP : SIGCONT);
}

void server_url(const struct server *server, char *url, size_t cap, const char *options)
{
    char all[300];

    relax(all, sizeof all, options);
    make_url(url, cap, server->port, server->socket, all);
}

void server_call(const struct server *server, ...)
{
    va_list arguments;
    struct raw raw;

    raw_open(&raw, server->socket, 0);
    va_start(arguments, server);
    raw_call_list(&raw, arguments);
    va_end(arguments);
    if (raw.kind == '-')
        fixture_die("the server says: %s", raw.reply);
    raw_close(&raw);
}

/* One connection that waits to be accepted; false when there is no room for it. */
static bool add_filler(struct peer *peer)
{
    struct sockaddr_un local;
    struct sockaddr_in remote;
    struct pollfd ready;
    int fd = socket(on_unix() ? AF_UNIX : AF_INET, SOCK_STREAM, 0), result;

    fcntl(fd, F_SETFL, O_NONBLOCK);
    if (on_unix()) {
        unix_address(&local, peer->socket);
        result = connect(fd, (struct sockaddr *)&local, sizeof local);
    } else {
        memset(&remote, 0, sizeof remote);
        remote.sin_family = AF_INET;
        remote.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        remote.sin_port = htons((unsigned short)peer->port);
        result = connect(fd, (struct sockaddr *)&remote, sizeof remote);
        if (result != 0 && errno == EINPROGRESS) {
            ready.fd = fd;
            ready.events = POLLOUT;
            result = poll(&ready, 1, 100) == 1 ? 0 : -1;
        }
    }
    peer->fillers[peer->filled++] = fd;
    return result == 0;
}

static void answer(enum manners manners, int fd)
{
    static const char http[] = "HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
    static const char garbage[] = "\x16\x03\x01\x02\x00\x01\x00\xfc\xff\r\n\r\n\x01garbage\r\n";
    char request[4096];
    struct timeval limit = { 2, 0 };

    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    if (recv(fd, request, sizeof request, 0) <= 0)
        return;
    if (manners == HTTP) {
        send(fd, http, sizeof http - 1, MSG_NOSIGNAL);
    } else if (manners == GARBAGE) {
        send(fd, garbage, sizeof garbage - 1, MSG_NOSIGNAL);
    } else if (manners == DRIPS) {
        ssize_t sent = send(fd, "+", 1, MSG_NOSIGNAL);
        while (sent == 1) { /* until the other side gives up */
            sleep_ms(10);
            sent = send(fd, "O", 1, MSG_NOSIGNAL);
        }
    }
    /* What else was sent is read, so that closing is no reset. */
    while (manners != CLOSES && recv(fd, request, sizeof request, MSG_DONTWAIT) > 0)
        continue;
}

static void *serve(void *argument)
{
    struct peer *peer = argument;
    int fd;

    while ((fd = accept(peer->listener, NULL, NULL)) >= 0) {
        answer(peer->manners, fd);
        close(fd);
    }
    return NULL;
}

void peer_start(struct peer *peer, enum manners manners)
{
    int backlog = manners == QUEUE_FULL ? 0 : 64;

    memset(peer, 0, sizeof *peer);
    peer->manners = manners;
    if (on_unix()) {
        name_socket(peer->socket, sizeof peer->socket, "peer");
        peer->listener = listen_on_unix(peer->socket, backlog);
        snprintf(peer->name, sizeof peer->name, "%s", peer->socket);
    } else {
        peer->listener = listen_on_tcp(&peer->port, backlog);
        snprintf(peer->name, sizeof peer->name, "127.0.0.1:%u", peer->port);
    }
    if (manners == QUEUE_FULL) {
        while (peer->filled < 64 && add_filler(peer))
            continue;
    } else if (manners != NEVER_ACCEPTS) {
        if (pthread_create(&peer->thread, NULL, serve, peer) != 0)
            fixture_die("cannot start a thread");
    }
}

void peer_stop(struct peer *peer)
{
    int i;

    shutdown(peer->listener, SHUT_RDWR); /* wakes accept() */
    if (peer->manners != QUEUE_FULL && peer->manners != NEVER_ACCEPTS)
        pthread_join(peer->thread, NULL);
    for (i = 0; i < peer->filled; i++)
        close(peer->fillers[i]);
    close(peer->listener);
    if (on_unix())
        unlink(peer->socket);
}

void peer_url(const struct peer *peer, char *url, size_t cap, const char *options)
{
    make_url(url, cap, peer->port, peer->socket, options);
}
