# Transports as loadable modules; why and how: docs/decisions/transport-modules.md.
#
#   add_transport(x)                                              always linked in
#   add_transport(x MODULE SCHEMES a b
#                 NEEDS Label "pkgconfig-name>=1.2" libx-dev libx1 [ALONE libx.so.1])
#       a transport over a library that not every machine has. Label is the library's name in
#       messages; then what pkg-config must find, Debian's package to build with, and the one to run
#       with. ALONE: a library that ends a process which has a second copy of it; the module is not
#       loaded beside one. The folder links PkgConfig::TIDEWAY_NEEDS_x. With
#       TIDEWAY_STATIC_TRANSPORTS=OFF it becomes lib/tideway/tideway_transport_x.so, which programs
#       load when they first ask for it; with ON it is linked in. Where the library is missing, the
#       transport stays listed, with that as its reason.
#   tideway_transport_module(target FOLDER_TARGET t NAMESPACE x)
#       the shared module of the static library t, whose Entry() is in tideway::x.

option(TIDEWAY_STATIC_TRANSPORTS
       "Link all transports into the programs instead of building loadable modules" OFF)

set(TIDEWAY_LEAVE_OUT_TRANSPORTS "" CACHE STRING
    "Transports over other libraries that are not built though their library is there")

set(TIDEWAY_MODULE_SUBDIRECTORY tideway)  # below the library folder, built and installed

# A module and its program must agree on the layout of the public types: so the version, the
# compiler, the kind of build, Abseil's version and the text of the public headers.
function(tideway_make_build_id out)
  file(GLOB headers CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/core/include/tideway/*.h")
  set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${headers})
  set(sums)
  foreach(header IN LISTS headers)
    file(SHA256 "${header}" sum)
    string(APPEND sums ${sum})
  endforeach()
  string(SHA256 sum "${sums}")
  string(SUBSTRING ${sum} 0 12 sum)
  set(kind "${CMAKE_BUILD_TYPE}")
  if(TIDEWAY_SANITIZE)
    string(APPEND kind "+${TIDEWAY_SANITIZE}")
  endif()
  set(${out} "Tideway ${PROJECT_VERSION} headers ${sum}, ${CMAKE_CXX_COMPILER_ID} \
${CMAKE_CXX_COMPILER_VERSION} ${kind}, Abseil ${absl_VERSION}" PARENT_SCOPE)
endfunction()
tideway_make_build_id(TIDEWAY_BUILD_ID)

# Whoever compiles against transports/module_abi.h gets this build's id.
function(tideway_module_build_id target)
  set_property(TARGET ${target} APPEND PROPERTY
               COMPILE_DEFINITIONS "TIDEWAY_BUILD_ID=\"${TIDEWAY_BUILD_ID}\"")
endfunction()

function(tideway_check_modules_possible)
  get_target_property(type absl::base TYPE)
  if(type STREQUAL "STATIC_LIBRARY")
    message(FATAL_ERROR "Abseil is a static library here, and a module with an Abseil of its own "
            "would not share locks with its program; configure with -DTIDEWAY_STATIC_TRANSPORTS=ON, "
            "or give CMAKE_PREFIX_PATH a shared Abseil")
  endif()
endfunction()

function(tideway_transport_module target)
  cmake_parse_arguments(ARG "" "FOLDER_TARGET;NAMESPACE" "" ${ARGN})
  add_library(${target} MODULE "${PROJECT_SOURCE_DIR}/transports/module_main.cc")
  tideway_warnings(${target})
  tideway_module_build_id(${target})
  target_compile_definitions(${target} PRIVATE TIDEWAY_MODULE=${ARG_NAMESPACE})
  target_link_libraries(${target} PRIVATE ${ARG_FOLDER_TARGET})
  set(exports "${PROJECT_SOURCE_DIR}/transports/module_exports.map")
  # Nothing but the entry point is seen from outside, so the module's copies of our static libraries
  # and those of the program never mix.
  target_link_options(${target} PRIVATE "LINKER:--version-script=${exports}")
  if(NOT TIDEWAY_SANITIZE)  # the sanitizers' run-time belongs to the program
    target_link_options(${target} PRIVATE LINKER:-z,defs)
  endif()
  set_target_properties(${target} PROPERTIES
    PREFIX "" SUFFIX ".so" LINK_DEPENDS "${exports}"
    LIBRARY_OUTPUT_DIRECTORY "${CMAKE_LIBRARY_OUTPUT_DIRECTORY}/${TIDEWAY_MODULE_SUBDIRECTORY}")
endfunction()

function(tideway_list_transport name line target)
  get_property(names GLOBAL PROPERTY TIDEWAY_TRANSPORT_NAMES)
  if(name IN_LIST names)
    message(FATAL_ERROR "transport '${name}' stands twice in THE LIST; remove one of the lines")
  endif()
  set_property(GLOBAL APPEND PROPERTY TIDEWAY_TRANSPORT_NAMES ${name})
  set_property(GLOBAL APPEND_STRING PROPERTY TIDEWAY_TRANSPORT_LINES "${line}\n")
  if(target)
    set_property(GLOBAL APPEND PROPERTY TIDEWAY_TRANSPORT_TARGETS ${target})
  endif()
endfunction()

# Reads the folder of a transport that becomes a module. None of its libraries is part of the
# installed package: the module is.
function(tideway_module_folder name runtime_package schemes alone)
  tideway_check_modules_possible()
  get_property(installed GLOBAL PROPERTY TIDEWAY_INSTALLED_LIBRARIES)
  add_subdirectory(${name})
  set_property(GLOBAL PROPERTY TIDEWAY_INSTALLED_LIBRARIES ${installed})
  set(module tideway_transport_${name}_module)
  tideway_transport_module(${module} FOLDER_TARGET tideway_transport_${name} NAMESPACE ${name})
  set_target_properties(${module} PROPERTIES OUTPUT_NAME tideway_transport_${name})
  install(TARGETS ${module}
          LIBRARY DESTINATION "${CMAKE_INSTALL_LIBDIR}/${TIDEWAY_MODULE_SUBDIRECTORY}"
          COMPONENT tideway_transport_${name})
  tideway_component(tideway_transport_${name})
  set_property(GLOBAL APPEND PROPERTY TIDEWAY_TRANSPORT_MODULES ${module})
  tideway_list_transport(${name}
    "TIDEWAY_TRANSPORT_MODULE(${name}, \"${schemes}\", \"${runtime_package}\", \"${alone}\")" "")
endfunction()

function(add_transport name)
  cmake_parse_arguments(ARG "MODULE" "ALONE" "SCHEMES;NEEDS" ${ARGN})
  if(NOT ARG_MODULE)
    tideway_add_listed(TRANSPORT ${name} tideway_transport_${name} "TIDEWAY_TRANSPORT(${name})")
    return()
  endif()
  list(JOIN ARG_SCHEMES " " schemes)
  list(LENGTH ARG_NEEDS needs)
  if(NOT schemes OR NOT needs EQUAL 4)
    message(FATAL_ERROR "transport '${name}': a MODULE line needs SCHEMES, and NEEDS with a label, "
                        "a pkg-config requirement, a package to build with and one to run with")
  endif()
  list(GET ARG_NEEDS 0 label)
  list(GET ARG_NEEDS 1 requirement)
  list(GET ARG_NEEDS 2 dev_package)
  list(GET ARG_NEEDS 3 runtime_package)
  if(name IN_LIST TIDEWAY_LEAVE_OUT_TRANSPORTS)
    tideway_list_transport(${name} "TIDEWAY_TRANSPORT_MISSING(${name}, \"${schemes}\", \
\"this build leaves it out (TIDEWAY_LEAVE_OUT_TRANSPORTS); configure without that\")" "")
    return()
  endif()
  find_package(PkgConfig QUIET)
  if(PkgConfig_FOUND)
    pkg_check_modules(TIDEWAY_NEEDS_${name} QUIET IMPORTED_TARGET "${requirement}")
  endif()
  if(NOT TIDEWAY_NEEDS_${name}_FOUND)
    message(STATUS "Tideway: pkg-config found no ${requirement} (Debian: ${dev_package}); the "
                   "transport ${name} is left out")
    string(REPLACE ">=" " >= " requirement "${requirement}")
    tideway_list_transport(${name} "TIDEWAY_TRANSPORT_MISSING(${name}, \"${schemes}\", \
\"this build was made without ${label} (pkg-config found no ${requirement}); \
install ${dev_package} and configure again\")" "")
  elseif(TIDEWAY_STATIC_TRANSPORTS)
    set_property(GLOBAL APPEND_STRING PROPERTY TIDEWAY_PKG_CONFIG_NEEDS
      "pkg_check_modules(TIDEWAY_NEEDS_${name} REQUIRED QUIET IMPORTED_TARGET \"${requirement}\")\n")
    tideway_add_listed(TRANSPORT ${name} tideway_transport_${name} "TIDEWAY_TRANSPORT(${name})")
  else()
    tideway_module_folder(${name} ${runtime_package} "${schemes}" "${ARG_ALONE}")
  endif()
endfunction()
