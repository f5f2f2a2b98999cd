# The headers that nearly every source takes, parsed once per build and not once per source: a third off the time of a cold build.
#
#   tideway_precompiled(target LIBRARY|PROGRAM|TEST)
#       lets the target's sources begin with what is precompiled for its kind. A kind is a set of compiler flags (code for libraries
#       and code for programs are told apart) and of headers.
#
# A source must name what it uses all the same: scripts/clang-tidy and tests/tidy.py look at sources and headers without this. g++ only.

option(TIDEWAY_PRECOMPILE_HEADERS "Parse widely used headers once per build (g++)" OFF)

set(TIDEWAY_PRECOMPILED_HEADERS
  <algorithm> <array> <atomic> <cmath> <cstdint> <filesystem> <fstream> <functional> <map> <memory> <optional> <random> <set>
  <string> <thread> <utility> <vector>
  <absl/container/flat_hash_map.h> <absl/functional/any_invocable.h> <absl/status/status.h> <absl/status/statusor.h>
  <absl/strings/str_cat.h> <absl/strings/str_format.h> <absl/strings/str_join.h> <absl/strings/str_split.h>
  <absl/synchronization/mutex.h> <absl/synchronization/notification.h> <absl/time/time.h> <absl/types/span.h>)
set(TIDEWAY_PRECOMPILED_TEST_HEADERS ${TIDEWAY_PRECOMPILED_HEADERS} <gmock/gmock.h> <gtest/gtest.h>)

function(tideway_precompile kind headers)
  set(target tideway_precompiled_${kind})
  file(CONFIGURE OUTPUT "${PROJECT_BINARY_DIR}/precompiled/${kind}.cc" CONTENT "")
  add_library(${target} OBJECT "${PROJECT_BINARY_DIR}/precompiled/${kind}.cc")
  target_precompile_headers(${target} PRIVATE ${headers})
  tideway_warnings(${target})
  tideway_kind_options(${target} ${kind})
  if(NOT kind STREQUAL "LIBRARY")  # as CMake compiles what is linked into a program
    set_target_properties(${target} PROPERTIES POSITION_INDEPENDENT_CODE OFF)
    target_compile_options(${target} PRIVATE ${CMAKE_CXX_COMPILE_OPTIONS_PIE})
  endif()
endfunction()

function(tideway_precompiled target kind)
  if(TARGET tideway_precompiled_${kind})
    target_precompile_headers(${target} REUSE_FROM tideway_precompiled_${kind})
    target_compile_options(${target} PRIVATE $<$<COMPILE_LANGUAGE:CXX>:-fpch-preprocess>)  # ccache needs it
  endif()
endfunction()

if(TIDEWAY_PRECOMPILE_HEADERS AND CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  tideway_precompile(LIBRARY "${TIDEWAY_PRECOMPILED_HEADERS}")
  tideway_precompile(PROGRAM "${TIDEWAY_PRECOMPILED_HEADERS}")
  if(BUILD_TESTING)
    tideway_precompile(TEST "${TIDEWAY_PRECOMPILED_TEST_HEADERS}")
    target_link_libraries(tideway_precompiled_TEST PRIVATE GTest::gmock GTest::gtest)  # their definitions
  endif()
endif()
