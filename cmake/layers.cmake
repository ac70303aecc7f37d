# SPDX-License-Identifier: MIT
# sb_layer(NAME DEPS targets... [TEST_DEPS targets...] [TEST_SOURCES files...]): src/NAME/*.cc become the static library
# sb_NAME (header-only when there are none), src/NAME/tests/*.cc the test program NAME_test; with files of other layers'
# tests, from src/.
function(sb_layer name)
  cmake_parse_arguments(arg "" "" "DEPS;TEST_DEPS;TEST_SOURCES" ${ARGN})
  file(GLOB sources CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/src/${name}/*.cc)
  if(sources)
    add_library(sb_${name} STATIC ${sources})
    target_include_directories(sb_${name} PUBLIC ${CMAKE_SOURCE_DIR}/src)
    target_link_libraries(sb_${name} PUBLIC ${arg_DEPS})
  else()
    add_library(sb_${name} INTERFACE)
    target_include_directories(sb_${name} INTERFACE ${CMAKE_SOURCE_DIR}/src)
    target_link_libraries(sb_${name} INTERFACE ${arg_DEPS})
  endif()
  file(GLOB tests CONFIGURE_DEPENDS ${CMAKE_SOURCE_DIR}/src/${name}/tests/*.cc)
  if(tests AND SIGNALBOX_TESTS AND GTest_FOUND)
    list(TRANSFORM arg_TEST_SOURCES PREPEND ${CMAKE_SOURCE_DIR}/src/)
    add_executable(${name}_test ${tests} ${arg_TEST_SOURCES})
    target_compile_options(${name}_test PRIVATE -O0)  # of the tests themselves: most of the time is the compiler's
    target_link_libraries(${name}_test PRIVATE sb_${name} ${arg_TEST_DEPS} GTest::gmock GTest::gtest_main)
    add_test(NAME ${name} COMMAND ${name}_test)
  endif()
endfunction()
