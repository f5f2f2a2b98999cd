# Writes OUTPUT, the definition of bench::SourceCommit, with the commit of the repository that SOURCE lies in. Touches the file only
# when that has changed, so that nothing else is built again.
execute_process(COMMAND git -C "${SOURCE}" describe --always --dirty --abbrev=12 --exclude *
                OUTPUT_VARIABLE commit OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
set(text "#include \"bench/driver/machine.h\"

std::string bench::SourceCommit() { return \"${commit}\"; }
")
if(EXISTS "${OUTPUT}")
  file(READ "${OUTPUT}" before)
endif()
if(NOT "${before}" STREQUAL "${text}")
  file(WRITE "${OUTPUT}" "${text}")
endif()
