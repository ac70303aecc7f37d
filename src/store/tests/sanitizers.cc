// SPDX-License-Identifier: MIT

#ifdef __SANITIZE_THREAD__
/// RocksDB is not built with the sanitizer, which therefore does not see what orders its threads.
extern "C" const char* __tsan_default_suppressions();
extern "C" const char* __tsan_default_suppressions() { return "race:librocksdb.so\n"; }
#endif
