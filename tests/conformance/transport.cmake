tideway_test(transport_conformance_test SRCS transport_conformance_test.cc DEPS tideway_transports
                 xxHash::xxhash TIMEOUT_S 300)
