# A provider named here (like "tcp,ucx/sm,ofi+shm") fails the suite where it is unavailable, instead of being skipped.
set(TIDEWAY_MUST_RUN_PROVIDERS "" CACHE STRING
    "Providers that the transport conformance suite must run, separated by commas")
string(REPLACE ";" "," must_run "${TIDEWAY_MUST_RUN_PROVIDERS}")

tideway_test(transport_conformance_test
  SRCS transport_main.cc transport_fixture.cc transport_conformance_test.cc transport_messages_test.cc
       transport_connecting_test.cc transport_closing_test.cc transport_flow_test.cc
       transport_stop_test.cc transport_many_test.cc transport_one_sided_test.cc
  DEPS tideway_transport_fault tideway_transports xxHash::xxhash
  TIMEOUT_S 400 SHARDS 8)
if(TARGET transport_conformance_test)
  target_compile_definitions(transport_conformance_test
                             PRIVATE "TIDEWAY_MUST_RUN_PROVIDERS=\"${must_run}\"")
endif()
