"""Of django-redis' tests of its backend, all are run but these. A plugin of the pytest that runs them."""

OF_ITS_CLIENT = "it is about the object `cache.client` and redis-py's pipelines, which are not there"
OF_ITS_OWN = "a method or an argument that django-redis alone has"
LEFT_OUT = {
    "test_setnx": OF_ITS_OWN + ": set(nx=True); here it is add()",
    "test_setnx_timeout": OF_ITS_OWN + ": set(nx=True)",
    "test_timeout_parameter_as_positional_argument": OF_ITS_OWN + ": set(nx=True)",
    "test_timeout_negative": OF_ITS_OWN + ": set(nx=True)",
    "test_incr": "it expects counters beyond 64 bits, which it counts by GET and SET and so loses increments",
    "test_incr_no_timeout": "the same",
    "test_decr": "the same",
    "test_incr_ignore_check": OF_ITS_OWN + ": ignore_key_check",
    "test_delete_return_value_type_before31": "of a Django that is not supported",
    "test_delete_pattern_with_custom_count": OF_ITS_CLIENT,
    "test_delete_pattern_with_settings_default_scan_count": OF_ITS_CLIENT,
    "test_set_call_empty_pipeline": OF_ITS_CLIENT,
    "test_close_client": OF_ITS_CLIENT,
    "test_primary_replica_switching": OF_ITS_CLIENT,
    "test_pttl": OF_ITS_OWN,
    "test_pexpire": OF_ITS_OWN,
    "test_pexpire_at": OF_ITS_OWN,
    "test_expire_at": OF_ITS_OWN,
    "test_iter_keys_itersize": OF_ITS_OWN + ": itersize",
    "test_lock": "it looks for the lock among the keys; here locks have a name space of their own",
    "test_lock_released_by_thread": "the same",
}


def pytest_collection_modifyitems(config, items):
    left_out = [item for item in items if item.name in LEFT_OUT]
    config.hook.pytest_deselected(items=left_out)
    items[:] = [item for item in items if item not in left_out]
