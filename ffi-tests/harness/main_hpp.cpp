// One program for the suites of the C++ header: `hpp NAME` runs test_NAME.cpp, on the same terms as main.c.
#include "check.h"
#include "fixture.h"
#include "hpp.hpp"

#include <cstdio>
#include <cstring>

int main(int argc, char **argv) {
    static const struct {
        const char *name;
        void (*run)();
    } suites[] = {
        {"hpp_cache", suite_hpp_cache},
        {"hpp_many", suite_hpp_many},
        {"hpp_ranges", suite_hpp_ranges},
        {"hpp_compute", suite_hpp_compute},
        {"hpp_compute_many", suite_hpp_compute_many},
        {"hpp_leases", suite_hpp_leases},
        {"hpp_errors", suite_hpp_errors},
    };
    for (const auto &suite : suites) {
        if (argc == 2 && std::strcmp(argv[1], suite.name) == 0) {
            fixture_begin();
            suite.run();
            return check_report();
        }
    }
    std::fputs("usage: hpp NAME, where suites/test_NAME.cpp is a file\n", stderr);
    return 2;
}
