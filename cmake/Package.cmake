# The installed package: find_package(Tideway CONFIG REQUIRED), then link Tideway::tideway (C++) or Tideway::c (the C ABI, which
# pkg-config finds as tideway); or with COMPONENTS, and link those.
include(CMakePackageConfigHelpers)
set(CMAKE_INSTALL_DEFAULT_COMPONENT_NAME tideway_development)
set(TIDEWAY_COMPONENTS client server sync transports codecs)  # of find_package; each is a target Tideway::<name>
tideway_component(tideway_development)

get_property(tideway_libraries GLOBAL PROPERTY TIDEWAY_INSTALLED_LIBRARIES)

add_library(tideway INTERFACE)
add_library(Tideway::tideway ALIAS tideway)
target_link_libraries(tideway INTERFACE ${tideway_libraries})

install(TARGETS tideway ${tideway_libraries} EXPORT TidewayTargets
        ARCHIVE DESTINATION "${CMAKE_INSTALL_LIBDIR}")
if(TARGET tideway_c)
  list(APPEND TIDEWAY_COMPONENTS c)
  install(TARGETS tideway_c EXPORT TidewayTargets LIBRARY DESTINATION "${CMAKE_INSTALL_LIBDIR}"
          COMPONENT tideway_runtime NAMELINK_COMPONENT tideway_development)
  tideway_component(tideway_runtime)
  install(FILES bindings/c/tideway.h DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}")
  file(RELATIVE_PATH TIDEWAY_PC_TO_INCLUDE "${CMAKE_INSTALL_FULL_LIBDIR}/pkgconfig"
       "${CMAKE_INSTALL_FULL_INCLUDEDIR}")
  configure_file(cmake/tideway.pc.in "${PROJECT_BINARY_DIR}/tideway.pc" @ONLY)
  install(FILES "${PROJECT_BINARY_DIR}/tideway.pc"
          DESTINATION "${CMAKE_INSTALL_LIBDIR}/pkgconfig")
endif()
foreach(folder core transports compression)
  if(EXISTS "${PROJECT_SOURCE_DIR}/${folder}/include/tideway")
    install(DIRECTORY "${PROJECT_SOURCE_DIR}/${folder}/include/tideway"
            DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}" FILES_MATCHING PATTERN "*.h")
  endif()
endforeach()
install(DIRECTORY "${TIDEWAY_GENERATED_DIR}/tideway" DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}")

set(tideway_package_dir "${CMAKE_INSTALL_LIBDIR}/cmake/Tideway")
install(EXPORT TidewayTargets NAMESPACE Tideway:: DESTINATION "${tideway_package_dir}")
get_property(TIDEWAY_PKG_CONFIG_NEEDS GLOBAL PROPERTY TIDEWAY_PKG_CONFIG_NEEDS)
if(TIDEWAY_PKG_CONFIG_NEEDS)
  string(PREPEND TIDEWAY_PKG_CONFIG_NEEDS "find_dependency(PkgConfig)\n")
endif()
configure_package_config_file(cmake/TidewayConfig.cmake.in
  "${PROJECT_BINARY_DIR}/TidewayConfig.cmake" INSTALL_DESTINATION "${tideway_package_dir}")
write_basic_package_version_file("${PROJECT_BINARY_DIR}/TidewayConfigVersion.cmake"
  COMPATIBILITY SameMinorVersion)
install(FILES "${PROJECT_BINARY_DIR}/TidewayConfig.cmake"
              "${PROJECT_BINARY_DIR}/TidewayConfigVersion.cmake"
              cmake/FindxxHash.cmake
              cmake/Findzstd.cmake
        DESTINATION "${tideway_package_dir}")

include(DebianPackages)
