# `cpack` in a build folder makes Debian packages, one per component of the installation:
#
#   libtideway0.1                 libtideway.so: the C ABI
#   libtideway-dev                headers, the static C++ libraries, find_package(Tideway), pkg-config
#   tideway-transport-ucx, -libfabric   a loadable module each, so that nobody needs a library that he does not use
#   tideway-tools                 the program tideway
#   tideway-train                 the LibTorch trainer, where it was built
#   python3-tideway               the Python package
#
# What a package needs of other packages, dpkg-shlibdeps finds in its binaries; what that can't see stands here. tests/package/debs.py checks
# it all in a bare system.

set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_NAME tideway)
set(CPACK_PACKAGE_VENDOR "The Tideway authors")
set(CPACK_PACKAGE_CONTACT "The Tideway authors <tideway@localhost>")
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "${PROJECT_DESCRIPTION}")
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_STRIP_FILES ON)
set(CPACK_DEB_COMPONENT_INSTALL ON)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS_PRIVATE_DIRS "${CMAKE_LIBRARY_OUTPUT_DIRECTORY}")
set(CPACK_DEBIAN_PACKAGE_RELEASE 1)

get_property(CPACK_COMPONENTS_ALL GLOBAL PROPERTY TIDEWAY_PACKAGE_COMPONENTS)
set(abi "${PROJECT_VERSION_MAJOR}.${PROJECT_VERSION_MINOR}")
set(exact "(= ${PROJECT_VERSION}-1)")

# tideway_package(component name section description [needs])
function(tideway_package component name section description)
  string(TOUPPER ${component} upper)
  set(CPACK_DEBIAN_${upper}_PACKAGE_NAME ${name} PARENT_SCOPE)
  set(CPACK_DEBIAN_${upper}_PACKAGE_SECTION ${section} PARENT_SCOPE)
  set(CPACK_COMPONENT_${upper}_DESCRIPTION "${description}" PARENT_SCOPE)
  set(CPACK_DEBIAN_${upper}_PACKAGE_DEPENDS "${ARGN}" PARENT_SCOPE)
endfunction()

tideway_package(tideway_runtime libtideway${abi} libs
  "Asynchronous communication for training: shared library with the C ABI")
tideway_package(tideway_development libtideway-dev libdevel
  "Asynchronous communication for training: headers and C++ libraries"
  "libtideway${abi} ${exact}, libabsl-dev, libprotobuf-dev, libxxhash-dev, libhwy-dev, libzstd-dev, libssl-dev, zlib1g-dev")
tideway_package(tideway_transport_ucx tideway-transport-ucx libs
  "Asynchronous communication for training: transport over UCX")
tideway_package(tideway_transport_libfabric tideway-transport-libfabric libs
  "Asynchronous communication for training: transport over libfabric")
tideway_package(tideway_tools tideway-tools net
  "Asynchronous communication for training: what a host has, and how quick it is")
tideway_package(tideway_train tideway-train science
  "Asynchronous communication for training: reference trainer of language models in LibTorch")
tideway_package(tideway_python python3-tideway python
  "Asynchronous communication for training: Python package"
  "libtideway${abi} ${exact}, python3, python3-numpy")
include(CPack)
