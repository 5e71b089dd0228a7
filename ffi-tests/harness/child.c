/* Children of a test; see child.h. */
#include "child.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "check.h"
#include "fixture.h"

pid_t start_child(void (*function)(const redis_cache *cache, int index), const redis_cache *cache, int index)
{
    unsigned before = check_failures();
    pid_t pid = fork();

    if (pid == 0) {
        alarm(small_run() ? 60 : 20);
        function(cache, index);
        /* What the parent's other threads held at the fork belongs to nobody here. Valgrind would call that leaked,
         * so under it the child ends by becoming another program. */
        if (under("valgrind"))
            execlp(check_failures() == before ? "true" : "false", "true", (char *)NULL);
        _exit(check_failures() == before ? 0 : 1);
    }
    return pid;
}

void end_child(pid_t pid)
{
    int status = -1;

    CHECK(pid > 0);
    CHECK(waitpid(pid, &status, 0) == pid);
    if (status != 0)
        check_failed(__FILE__, __LINE__, "a child ended with %s %d", WIFSIGNALED(status) ? "signal" : "code",
                     WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
}

void kill_child(pid_t pid)
{
    int status = -1;

    CHECK(kill(pid, SIGKILL) == 0);
    CHECK(waitpid(pid, &status, 0) == pid);
    CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}
