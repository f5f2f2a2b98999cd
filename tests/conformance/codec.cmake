tideway_test(codec_conformance_test ONE_THREAD
  SRCS codec_conformance_test.cc codec_golden_test.cc codec_hostile_test.cc codec_parameters_test.cc
       codec_sparse_test.cc codec_values.cc codec_wrapper_test.cc
  DEPS tideway_codecs tideway_runtime
  SHARDS 4)
if(TARGET codec_conformance_test)
  # The tests repeat the codecs' arithmetic, so they are compiled with the same rule.
  target_compile_options(codec_conformance_test PRIVATE -ffp-contract=off)
  target_compile_definitions(codec_conformance_test PRIVATE
    TIDEWAY_EXAMPLE_CODEC="$<TARGET_FILE:tideway_example_codec>")
  add_dependencies(codec_conformance_test tideway_example_codec)
endif()
