# One target a folder, one test program a folder: the two functions every CMakeLists.txt here calls.

add_library(wan_flags INTERFACE)
target_include_directories(wan_flags INTERFACE ${PROJECT_SOURCE_DIR}/src)
target_compile_options(wan_flags INTERFACE $<$<COMPILE_LANGUAGE:CXX>:-Wall -Wextra -Wshadow>)
# What is given away does not name the folder it was built in. Debuggers of a Debug build look there.
target_compile_options(wan_flags INTERFACE
                       $<$<AND:$<COMPILE_LANGUAGE:CXX>,$<NOT:$<CONFIG:Debug>>>:-ffile-prefix-map=${PROJECT_SOURCE_DIR}/=>
                       $<$<AND:$<COMPILE_LANGUAGE:CUDA>,$<NOT:$<CONFIG:Debug>>>:-Xcompiler=-ffile-prefix-map=${PROJECT_SOURCE_DIR}/=>)
if(WAN_WERROR)
  target_compile_options(wan_flags INTERFACE $<$<COMPILE_LANGUAGE:CXX>:-Werror>)
endif()
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 13)
  # GCC 12 reports overlap in std::string concatenation that cannot happen (GCC bug 105329).
  target_compile_options(wan_flags INTERFACE $<$<COMPILE_LANGUAGE:CXX>:-Wno-restrict>)
endif()
# What WAN_SANITIZE asks for, as -fsanitize= takes it; empty for none.
set(WAN_SANITIZERS "")
if(WAN_SANITIZE STREQUAL "thread")
  set(WAN_SANITIZERS thread)
elseif(WAN_SANITIZE MATCHES "^(address|ON|TRUE|YES|1)$")
  set(WAN_SANITIZERS address,undefined)
elseif(WAN_SANITIZE)
  message(FATAL_ERROR "WAN_SANITIZE=${WAN_SANITIZE} is not known: OFF, address or thread")
endif()
if(WAN_SANITIZERS)
  target_compile_options(wan_flags INTERFACE $<$<COMPILE_LANGUAGE:CXX>:-fsanitize=${WAN_SANITIZERS} -fno-sanitize-recover=all -fno-omit-frame-pointer>)
  target_link_options(wan_flags INTERFACE -fsanitize=${WAN_SANITIZERS})
endif()
# The tests' own code takes most of the time to compile and none to speak of to run: it is hardly optimised. Sanitizers look for null,
# misaligned and mistyped pointers in what it tests alone: half of a test's machine code would be those checks.
set(test_code "$<BOOL:$<TARGET_PROPERTY:WAN_TEST_CODE>>")
if(WAN_SANITIZERS)
  target_compile_options(wan_flags INTERFACE $<${test_code}:-O0>)
  if(WAN_SANITIZERS MATCHES undefined)
    target_compile_options(wan_flags INTERFACE $<${test_code}:-fno-sanitize=null,alignment,vptr,object-size>)
  endif()
else()
  target_compile_options(wan_flags INTERFACE $<$<AND:${test_code},$<NOT:$<CONFIG:Debug>>,$<COMPILE_LANGUAGE:CXX>>:-O1>)
endif()
# So is code of ours that waits for others most of its time (wan_library(... COLD)). The checks of pointers are left out of it and of
# what builds texts and documents (LIGHT): they took half of the time to compile it. Where bytes are read and computed they stay.
set(cold_code "$<BOOL:$<TARGET_PROPERTY:WAN_COLD_CODE>>")
set(light_code "$<BOOL:$<TARGET_PROPERTY:WAN_LIGHT_CODE>>")
if(WAN_SANITIZERS)
  target_compile_options(wan_flags INTERFACE $<${cold_code}:-O0>)
  if(WAN_SANITIZERS MATCHES undefined)
    target_compile_options(wan_flags INTERFACE $<$<OR:${cold_code},${light_code}>:-fno-sanitize=null,alignment,vptr,object-size>)
  endif()
elseif(NOT WAN_FUZZ)
  target_compile_options(wan_flags INTERFACE $<$<AND:${cold_code},$<NOT:$<CONFIG:Debug>>,$<COMPILE_LANGUAGE:CXX>>:-O1>)
endif()
if(WAN_FUZZ)
  target_compile_options(wan_flags INTERFACE -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=all)
  target_compile_definitions(wan_flags INTERFACE _GLIBCXX_ASSERTIONS)
  target_link_options(wan_flags INTERFACE -fsanitize=address,undefined)
endif()

if(WAN_CCACHE AND NOT CMAKE_CXX_COMPILER_LAUNCHER)  # a launcher of the user's own is left alone
  find_program(CCACHE ccache)
  if(CCACHE)
    set(CMAKE_CXX_COMPILER_LAUNCHER ${CCACHE})
    set(CMAKE_CUDA_COMPILER_LAUNCHER ${CCACHE})
  endif()
endif()

# wan_library(name [COLD] [LIGHT] [DEPS targets...] [SOURCES files...]): a static library `wan_<name>` of this folder's .cpp and
# .cu files, or of SOURCES alone; COLD and LIGHT as above. Folder dependencies are written as drawn in docs/design.md.
function(wan_library name)
  cmake_parse_arguments(ARG "COLD;LIGHT" "" "DEPS;SOURCES" ${ARGN})
  if(NOT ARG_SOURCES)
    file(GLOB ARG_SOURCES CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/*.cpp)
  endif()
  if(ARG_SOURCES)
    add_library(wan_${name} STATIC ${ARG_SOURCES})
    set_target_properties(wan_${name} PROPERTIES WAN_COLD_CODE "${ARG_COLD}" WAN_LIGHT_CODE "${ARG_LIGHT}")
    target_link_libraries(wan_${name} PUBLIC $<BUILD_INTERFACE:wan_flags> ${ARG_DEPS})
  else()
    add_library(wan_${name} INTERFACE)
    target_link_libraries(wan_${name} INTERFACE $<BUILD_INTERFACE:wan_flags> ${ARG_DEPS})
  endif()
endfunction()

# wan_test(name [DEPS targets...] [LABEL label] [LONG tests...] [ENVIRONMENT variables...]): one GoogleTest program `<name>_test` of this folder's
# *_test.cpp, each test registered with ctest as `<name>.Suite.Test`. LABEL is a label of all; LONG names, as --gtest_filter
# does, those whose label is `long` (CONTRIBUTING.md says when). Tests read fixtures from WAN_FIXTURES (the unpacked golden
# archives).
function(wan_test name)
  cmake_parse_arguments(ARG "" "LABEL" "DEPS;SOURCES;LONG;ENVIRONMENT" ${ARGN})
  if(NOT ARG_SOURCES)
    file(GLOB ARG_SOURCES CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/*_test.cpp)
  endif()
  if(NOT ARG_SOURCES)
    return()
  endif()
  add_executable(${name}_test ${ARG_SOURCES})
  set_target_properties(${name}_test PROPERTIES WAN_TEST_CODE ON)
  target_link_libraries(${name}_test PRIVATE wan_flags ${ARG_DEPS} wan_test_support GTest::gtest GTest::gmock GTest::gtest_main)
  target_compile_definitions(${name}_test PRIVATE WAN_FIXTURES="${PROJECT_BINARY_DIR}/fixtures" WAN_SOURCE_DIR="${PROJECT_SOURCE_DIR}"
                             WAN_BINARY_DIR="${PROJECT_BINARY_DIR}")
  set(properties TIMEOUT 600)
  if(ARG_ENVIRONMENT)
    list(APPEND properties ENVIRONMENT "${ARG_ENVIRONMENT}")
  endif()
  string(REPLACE ";" ":" long "${ARG_LONG}")
  # The prefix keeps tests of one name in two programs apart, labels included.
  set(common TEST_PREFIX "${name}." DISCOVERY_TIMEOUT 60)
  if(long)
    gtest_discover_tests(${name}_test TEST_FILTER "${long}" TEST_LIST ${name}_long ${common} PROPERTIES ${properties} LABELS long)
    list(APPEND common TEST_FILTER "-${long}")
  endif()
  if(ARG_LABEL)
    list(APPEND properties LABELS "${ARG_LABEL}")
  endif()
  gtest_discover_tests(${name}_test ${common} PROPERTIES ${properties})
endfunction()
