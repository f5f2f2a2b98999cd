# What a folder's CMakeLists.txt is written with:
#
#   tideway_library(tideway_x SRCS a.cc b.cc DEPS tideway_runtime [PRIVATE_DEPS asio::asio])
#       a static library, compiled with our warnings as errors. Part of the installed package
#       unless NO_INSTALL is given (for example what needs LibTorch, or what only tests use).
#   tideway_proto_library(tideway_x_proto PROTOS control.proto)
#       generated Protobuf code; include it by path from the root: "core/wire/control.pb.h".
#   tideway_executable(name SRCS main.cc DEPS ... [INSTALL component])
#   tideway_test(x_test [ONE_THREAD] SRCS x_test.cc DEPS ... [LABELS slow] [TIMEOUT_S 60] [ARGS ...]
#                [RUN_SERIAL] [WHOLE] [SHARDS 4])
#       a GoogleTest program; each TEST becomes one ctest entry. With WHOLE the program does, and with
#       SHARDS each of so many parts of it: for many short tests whose program is slow to start.
#       ONE_THREAD: it starts no second one, so the thread sanitizer's build leaves it out.
#   add_transport(x [MODULE ...]) in transports/CMakeLists.txt = THE LIST; see TransportModules.cmake
#   add_codec(name wire_id [WRAPPER] [NEEDS target library libx-dev])
#                               in compression/CMakeLists.txt = THE LIST
#       one line per backend. The folder makes the target tideway_transport_x or tideway_codec_name;
#       the line adds TIDEWAY_TRANSPORT(x) or TIDEWAY_CODEC(name, wire_id) to the generated
#       "tideway/transports.def" or "tideway/codecs.def", over which registry, tests and tools go.
#       WRAPPER: a codec around another; the line is TIDEWAY_CODEC_WRAPPER. NEEDS: a target of
#       Dependencies.cmake, the library's name in messages and Debian's package; without that target
#       the codec stays listed, with the reason, as TIDEWAY_CODEC_MISSING.
#   tideway_listed_targets(TRANSPORT var)
#       the targets of all lines so far, for the registry's library to link.

include(GNUInstallDirs)
include(GoogleTest)

set(TIDEWAY_GENERATED_DIR "${PROJECT_BINARY_DIR}/generated")

set(CMAKE_CXX_STANDARD 20)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)  # the C ABI and the Python module link the static libraries
set(CMAKE_RUNTIME_OUTPUT_DIRECTORY "${PROJECT_BINARY_DIR}/bin")
set(CMAKE_ARCHIVE_OUTPUT_DIRECTORY "${PROJECT_BINARY_DIR}/lib")
set(CMAKE_LIBRARY_OUTPUT_DIRECTORY "${PROJECT_BINARY_DIR}/lib")

if(NOT CMAKE_BUILD_TYPE)
  set(CMAKE_BUILD_TYPE Release CACHE STRING "" FORCE)
endif()

# ccache, told to see paths relative to this checkout, so that a second checkout hits too.
find_program(TIDEWAY_CCACHE ccache)
if(TIDEWAY_CCACHE AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
  set(CMAKE_CXX_COMPILER_LAUNCHER "${CMAKE_COMMAND}" -E env
      "CCACHE_BASEDIR=${PROJECT_SOURCE_DIR}" CCACHE_NOHASHDIR=1
      CCACHE_SLOPPINESS=pch_defines,time_macros "${TIDEWAY_CCACHE}")
  set(CMAKE_C_COMPILER_LAUNCHER "${CMAKE_CXX_COMPILER_LAUNCHER}")
endif()

if(TIDEWAY_SANITIZE)
  add_compile_options("-fsanitize=${TIDEWAY_SANITIZE}" -fno-omit-frame-pointer
                      -fno-sanitize-recover=all)
  add_link_options("-fsanitize=${TIDEWAY_SANITIZE}")
endif()

# Warnings for our own code. Third-party headers come as SYSTEM through imported targets.
function(tideway_warnings target)
  # Designated initialisers leave fields out on purpose.
  target_compile_options(${target} PRIVATE -Wall -Wextra -Wpedantic -Wshadow -Werror
                         -Wno-missing-field-initializers)
  if(CMAKE_CXX_COMPILER_ID MATCHES "Clang")
    target_compile_options(${target} PRIVATE -Wthread-safety)
  else()
    # g++ 12 reports these for correct uses of std::string, std::vector and Abseil when it inlines.
    target_compile_options(${target} PRIVATE -Wno-restrict -Wno-error=maybe-uninitialized
      -Wno-error=array-bounds -Wno-error=stringop-overflow -Wno-error=stringop-overread
      -Wno-error=tsan)
  endif()
  target_include_directories(${target} PRIVATE "${PROJECT_SOURCE_DIR}")
endfunction()

# A class from a loadable module has a vtable of its own, so dynamic_cast to a final class must compare
# types and not the addresses of vtables.
include(CheckCXXCompilerFlag)
check_cxx_compiler_flag(-fno-assume-unique-vtables TIDEWAY_HAS_UNIQUE_VTABLES_FLAG)
if(TIDEWAY_HAS_UNIQUE_VTABLES_FLAG)
  add_compile_options($<$<COMPILE_LANGUAGE:CXX>:-fno-assume-unique-vtables>)
endif()

# What LIBRARY, PROGRAM and TEST sources are compiled with besides. The undefined-behaviour sanitizer doubles the time that tests'
# own sources take to compile, and is there to watch our code.
function(tideway_kind_options target kind)
  if(kind STREQUAL "TEST" AND TIDEWAY_SANITIZE MATCHES "undefined")
    target_compile_options(${target} PRIVATE -fno-sanitize=undefined)
  endif()
endfunction()

include(PrecompiledHeaders)

function(tideway_subdirectory folder)
  if(EXISTS "${CMAKE_CURRENT_SOURCE_DIR}/${folder}/CMakeLists.txt")
    add_subdirectory(${folder})
  endif()
endfunction()

# Every direct sub-folder that has a CMakeLists.txt.
function(tideway_all_subdirectories)
  file(GLOB lists CONFIGURE_DEPENDS RELATIVE "${CMAKE_CURRENT_SOURCE_DIR}"
       "${CMAKE_CURRENT_SOURCE_DIR}/*/CMakeLists.txt")
  foreach(list IN LISTS lists)
    get_filename_component(folder "${list}" DIRECTORY)
    add_subdirectory(${folder})
  endforeach()
endfunction()

# Puts a library into the installed package as Tideway::<name without the leading tideway_>.
function(tideway_install_library name)
  string(REGEX REPLACE "^tideway_" "" export_name ${name})
  set_target_properties(${name} PROPERTIES EXPORT_NAME ${export_name})
  add_library(Tideway::${export_name} ALIAS ${name})
  set_property(GLOBAL APPEND PROPERTY TIDEWAY_INSTALLED_LIBRARIES ${name})
endfunction()

set(TIDEWAY_HEADER_ONLY asio::asio nlohmann_json::nlohmann_json)

function(tideway_library name)
  cmake_parse_arguments(ARG "NO_INSTALL" "" "SRCS;DEPS;PRIVATE_DEPS" ${ARGN})
  add_library(${name} STATIC ${ARG_SRCS})
  tideway_warnings(${name})
  tideway_precompiled(${name} LIBRARY)
  target_link_libraries(${name} PUBLIC ${ARG_DEPS})
  foreach(dep IN LISTS ARG_PRIVATE_DEPS)
    # A library of headers that only our .cc files use is not asked of users of the package.
    if(dep IN_LIST TIDEWAY_HEADER_ONLY)
      set(dep "$<BUILD_INTERFACE:${dep}>")
    endif()
    target_link_libraries(${name} PRIVATE ${dep})
  endforeach()
  if(NOT ARG_NO_INSTALL)
    tideway_install_library(${name})
  endif()
endfunction()

# Builds all generated sources and nothing else; clang-tidy needs them.
add_custom_target(tideway_generated)

function(tideway_proto_library name)
  cmake_parse_arguments(ARG "NO_INSTALL" "" "PROTOS" ${ARGN})
  set(generated)
  foreach(proto IN LISTS ARG_PROTOS)
    file(RELATIVE_PATH path "${PROJECT_SOURCE_DIR}" "${CMAKE_CURRENT_SOURCE_DIR}/${proto}")
    string(REGEX REPLACE "\\.proto$" ".pb" stem "${TIDEWAY_GENERATED_DIR}/${path}")
    add_custom_command(
      OUTPUT "${stem}.cc" "${stem}.h"
      COMMAND protobuf::protoc "--proto_path=${PROJECT_SOURCE_DIR}"
              "--cpp_out=${TIDEWAY_GENERATED_DIR}" "${path}"
      WORKING_DIRECTORY "${PROJECT_SOURCE_DIR}"
      DEPENDS "${CMAKE_CURRENT_SOURCE_DIR}/${proto}"
      VERBATIM)
    list(APPEND generated "${stem}.cc" "${stem}.h")
  endforeach()
  add_custom_target(${name}_sources DEPENDS ${generated})
  add_dependencies(tideway_generated ${name}_sources)
  add_library(${name} STATIC ${generated})
  target_compile_options(${name} PRIVATE -w)
  target_include_directories(${name} SYSTEM PUBLIC
    "$<BUILD_INTERFACE:${TIDEWAY_GENERATED_DIR}>")
  target_link_libraries(${name} PUBLIC protobuf::libprotobuf)
  if(NOT ARG_NO_INSTALL)
    tideway_install_library(${name})
  endif()
endfunction()

function(tideway_program name kind)
  tideway_warnings(${name})
  tideway_kind_options(${name} ${kind})
  tideway_precompiled(${name} ${kind})
  if(TARGET tideway_tsan_abseil)
    target_link_libraries(${name} PRIVATE tideway_tsan_abseil)
  endif()
endfunction()

# Says that a part of the installation has something in it.
function(tideway_component name)
  get_property(names GLOBAL PROPERTY TIDEWAY_PACKAGE_COMPONENTS)
  if(NOT name IN_LIST names)
    set_property(GLOBAL APPEND PROPERTY TIDEWAY_PACKAGE_COMPONENTS ${name})
  endif()
endfunction()

function(tideway_executable name)
  cmake_parse_arguments(ARG "" "INSTALL" "SRCS;DEPS" ${ARGN})
  add_executable(${name} ${ARG_SRCS})
  tideway_program(${name} PROGRAM)
  target_link_libraries(${name} PRIVATE ${ARG_DEPS})
  if(ARG_INSTALL)
    tideway_component(${ARG_INSTALL})
    install(TARGETS ${name} RUNTIME DESTINATION "${CMAKE_INSTALL_BINDIR}" COMPONENT ${ARG_INSTALL})
  endif()
endfunction()

# ThreadSanitizer's run-time needs a memory map that some kernels' address randomisation breaks.
if(TIDEWAY_SANITIZE MATCHES "thread")
  find_program(TIDEWAY_SETARCH setarch)
  if(TIDEWAY_SETARCH)
    execute_process(COMMAND "${TIDEWAY_SETARCH}" -R true RESULT_VARIABLE result ERROR_QUIET)
    if(result EQUAL 0)
      set(TIDEWAY_TEST_LAUNCHER "${TIDEWAY_SETARCH};-R")
    endif()
  endif()
  # All our programs get this, so that the distribution's Abseil locks are seen as locks.
  add_library(tideway_tsan_abseil OBJECT "${PROJECT_SOURCE_DIR}/tests/tsan/abseil_annotations.cc")
  tideway_warnings(tideway_tsan_abseil)
  target_link_libraries(tideway_tsan_abseil
                        PUBLIC absl::synchronization absl::status ${CMAKE_DL_LIBS})
endif()

function(tideway_test name)
  if(NOT BUILD_TESTING)
    return()
  endif()
  cmake_parse_arguments(ARG "ONE_THREAD;RUN_SERIAL;WHOLE" "TIMEOUT_S;SHARDS" "SRCS;DEPS;LABELS;ARGS"
                        ${ARGN})
  if(ARG_ONE_THREAD AND TIDEWAY_SANITIZE MATCHES "thread")
    return()
  endif()
  if(NOT ARG_TIMEOUT_S)
    set(ARG_TIMEOUT_S 120)
  endif()
  add_executable(${name} ${ARG_SRCS})
  target_link_libraries(${name} PRIVATE ${ARG_DEPS} GTest::gmock_main GTest::gmock GTest::gtest)
  tideway_program(${name} TEST)
  set_target_properties(${name} PROPERTIES CROSSCOMPILING_EMULATOR "${TIDEWAY_TEST_LAUNCHER}")
  set(properties TIMEOUT ${ARG_TIMEOUT_S})
  if(ARG_LABELS)
    list(APPEND properties LABELS "${ARG_LABELS}")
  endif()
  if(ARG_RUN_SERIAL)
    list(APPEND properties RUN_SERIAL TRUE)
  endif()
  if(ARG_WHOLE)
    add_test(NAME ${name} COMMAND ${name} ${ARG_ARGS})
    set_tests_properties(${name} PROPERTIES ${properties})
  elseif(ARG_SHARDS)
    math(EXPR last "${ARG_SHARDS} - 1")
    foreach(shard RANGE ${last})
      add_test(NAME ${name}/part_${shard} COMMAND ${name} ${ARG_ARGS})
      set_tests_properties(${name}/part_${shard} PROPERTIES ${properties}
        ENVIRONMENT "GTEST_TOTAL_SHARDS=${ARG_SHARDS};GTEST_SHARD_INDEX=${shard}")
    endforeach()
  else()
    gtest_discover_tests(${name} EXTRA_ARGS ${ARG_ARGS} DISCOVERY_MODE PRE_TEST
      DISCOVERY_TIMEOUT 60 TEST_PREFIX "${name}/"
      PROPERTIES ${properties})
  endif()
endfunction()

# The two LISTs. Each line is kept in a global property and written out once the folder is read.
function(tideway_add_listed kind name target line)
  if(NOT name MATCHES "^[a-z][a-z0-9_]*$")
    message(FATAL_ERROR "${kind} name '${name}': use lower-case letters, digits and '_'")
  endif()
  get_property(names GLOBAL PROPERTY TIDEWAY_${kind}_NAMES)
  if(name IN_LIST names)
    message(FATAL_ERROR "${kind} '${name}' stands twice in THE LIST; remove one of the lines")
  endif()
  add_subdirectory(${name})
  if(NOT TARGET ${target})
    message(FATAL_ERROR "${CMAKE_CURRENT_SOURCE_DIR}/${name}/CMakeLists.txt must make the target "
                        "${target}, since THE LIST names '${name}'")
  endif()
  set_property(GLOBAL APPEND PROPERTY TIDEWAY_${kind}_NAMES ${name})
  set_property(GLOBAL APPEND PROPERTY TIDEWAY_${kind}_TARGETS ${target})
  set_property(GLOBAL APPEND_STRING PROPERTY TIDEWAY_${kind}_LINES "${line}\n")
endfunction()

function(add_codec name wire_id)
  if(NOT wire_id MATCHES "^[0-9]+$" OR wire_id GREATER 255)
    message(FATAL_ERROR "codec '${name}': the wire id '${wire_id}' must be a number from 0 to 255")
  endif()
  get_property(ids GLOBAL PROPERTY TIDEWAY_CODEC_IDS)
  if(wire_id IN_LIST ids)
    message(FATAL_ERROR "codec '${name}': the wire id ${wire_id} is taken; ids are permanent, so "
                        "give the new codec a free one")
  endif()
  set_property(GLOBAL APPEND PROPERTY TIDEWAY_CODEC_IDS ${wire_id})
  cmake_parse_arguments(ARG "WRAPPER" "" "NEEDS" ${ARGN})
  set(macro TIDEWAY_CODEC)
  set(is_wrapper false)
  if(ARG_WRAPPER)
    set(macro TIDEWAY_CODEC_WRAPPER)
    set(is_wrapper true)
  endif()
  if(ARG_NEEDS)
    list(GET ARG_NEEDS 0 needed)
    list(GET ARG_NEEDS 1 library)
    list(GET ARG_NEEDS 2 package)
    if(NOT TARGET ${needed})
      message(STATUS "Tideway: no ${library} (Debian: ${package}); the codec ${name} is left out")
      set_property(GLOBAL APPEND PROPERTY TIDEWAY_CODEC_NAMES ${name})
      set_property(GLOBAL APPEND_STRING PROPERTY TIDEWAY_CODEC_LINES
        "TIDEWAY_CODEC_MISSING(${name}, ${wire_id}, ${is_wrapper}, \"${name}: this build was made \
without ${library}; install ${package} and configure again\")\n")
      return()
    endif()
  endif()
  tideway_add_listed(CODEC ${name} tideway_codec_${name} "${macro}(${name}, ${wire_id})")
endfunction()

function(tideway_listed_targets kind out)
  get_property(targets GLOBAL PROPERTY TIDEWAY_${kind}_TARGETS)
  set(${out} ${targets} PARENT_SCOPE)
endfunction()

function(tideway_list_subdirectory folder kind)
  tideway_subdirectory(${folder})
  string(TOLOWER ${kind}s file)
  get_property(lines GLOBAL PROPERTY TIDEWAY_${kind}_LINES)
  file(CONFIGURE OUTPUT "${TIDEWAY_GENERATED_DIR}/tideway/${file}.def" CONTENT
"// Made by CMake from ${folder}/CMakeLists.txt. Define the macros before including; no guard.
${lines}" @ONLY)
endfunction()

include(TransportModules)
