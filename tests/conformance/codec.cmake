tideway_test(codec_conformance_test
  SRCS codec_conformance_test.cc codec_golden_test.cc codec_hostile_test.cc codec_parameters_test.cc
       codec_values.cc codec_wrapper_test.cc
  DEPS tideway_codecs tideway_runtime)
if(TARGET codec_conformance_test)
  # The tests repeat the codecs' arithmetic, so they are compiled with the same rule.
  target_compile_options(codec_conformance_test PRIVATE -ffp-contract=off)
endif()
