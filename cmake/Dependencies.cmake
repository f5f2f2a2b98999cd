# Everything that Tideway takes from outside. Debian 12's packages are the floor; newer ones are
# found through CMAKE_PREFIX_PATH.

find_package(Threads REQUIRED)
find_package(absl REQUIRED CONFIG)
# Newer Protobuf ships its own config file (which knows its Abseil); Debian 12's does not.
find_package(Protobuf CONFIG QUIET)
if(NOT TARGET protobuf::libprotobuf)
  find_package(Protobuf REQUIRED MODULE)
endif()
find_package(xxHash REQUIRED MODULE)
find_package(asio REQUIRED MODULE)
find_package(nlohmann_json REQUIRED CONFIG)
find_package(ZLIB REQUIRED)
find_package(hwy REQUIRED CONFIG)
find_package(OpenSSL QUIET)
find_package(CLI11 REQUIRED CONFIG)
find_package(spdlog CONFIG QUIET)
if(BUILD_TESTING)
  find_package(GTest REQUIRED)
endif()

# LibTorch's package file writes to CMAKE_CXX_FLAGS and other variables of its caller. They stay in
# this function's scope; the trainer links tideway_torch.
function(tideway_find_torch)
  find_package(Torch QUIET)
  if(NOT Torch_FOUND)
    message(STATUS "Tideway: no LibTorch (install libtorch-dev, or give its folder in "
                   "CMAKE_PREFIX_PATH); the trainer is left out")
    return()
  endif()
  add_library(tideway_torch INTERFACE)
  target_link_libraries(tideway_torch INTERFACE ${TORCH_LIBRARIES})
  target_include_directories(tideway_torch SYSTEM INTERFACE ${TORCH_INCLUDE_DIRS})
endfunction()
if(TIDEWAY_WITH_TORCH)
  tideway_find_torch()
endif()
