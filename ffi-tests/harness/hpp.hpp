// What the suites of the C++ header share.
#ifndef HPP_HPP
#define HPP_HPP

#include "check.h"
#include "fixture.h"
#include "redis_cache.hpp"

#include <sstream>
#include <string>

void suite_hpp_cache();
void suite_hpp_many();
void suite_hpp_ranges();
void suite_hpp_compute();
void suite_hpp_compute_many();
void suite_hpp_leases();
void suite_hpp_errors();

// The expression throws exactly this type; its error is handed on as `fault`.
#define THROWS(type, expression)                                                                      \
    do {                                                                                              \
        bool thrown = false;                                                                          \
        try {                                                                                         \
            (void)(expression);                                                                       \
        } catch (const type &) {                                                                      \
            thrown = true;                                                                            \
        } catch (const std::exception &other) {                                                       \
            check_failed(__FILE__, __LINE__, "%s threw: %s", #expression, other.what());              \
            thrown = true;                                                                            \
        }                                                                                             \
        if (!thrown) check_failed(__FILE__, __LINE__, "%s threw nothing", #expression);               \
    } while (0)

inline std::string url_with(const char *options = nullptr) {
    char url[512], all[300];
    relax(all, sizeof all, options);
    target_url(url, sizeof url, all);
    return url;
}

// All locations of the target, one by one.
inline rediscache::Config &on_target(rediscache::Config &config, const char *options = nullptr) {
    std::istringstream locations(url_with(options));
    for (std::string location; std::getline(locations, location, ',');) config.server(location);
    return config;
}

inline rediscache::Cache open_target(const char *options = nullptr) { return rediscache::Cache(url_with(options)); }

#endif
