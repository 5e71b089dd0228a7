/* One program for all suites: `suite NAME` runs test_NAME.c on the store that the environment names. */
#include <stdio.h>
#include <string.h>

#include "check.h"
#include "fixture.h"
#include "suites.h"

#define SUITE(name) { #name, suite_##name },
static const struct {
    const char *name;
    void (*run)(void);
} suites[] = { SUITES };
#undef SUITE

int main(int argc, char **argv)
{
    size_t i;

    if (argc == 2) {
        for (i = 0; i < sizeof suites / sizeof suites[0]; i++) {
            if (strcmp(argv[1], suites[i].name) == 0) {
                fixture_begin();
                suites[i].run();
                return check_report();
            }
        }
    }
    fputs("usage: suite NAME, where suites/test_NAME.c is a file and NAME is in suites.h\n", stderr);
    return 2;
}
