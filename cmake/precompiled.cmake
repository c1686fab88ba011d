# The standard library, fmt, nlohmann/json and GoogleTest, parsed once for each set of flags instead of in each file: two thirds of the time
# that a test takes to compile, a third of what the program's files take. What a file uses it includes all the same (tools/check_headers.py
# and the builds without it hold that). Another compiler's flags make it useless, never wrong: then the headers are read as before.
option(WAN_PRECOMPILE "Parse the common headers once for all files" OFF)
if(WAN_FUZZ)  # one build checks that every file includes what it uses
  set(WAN_PRECOMPILE OFF)
endif()

set(WAN_COMMON_HEADERS <algorithm> <array> <atomic> <chrono> <cmath> <condition_variable> <cstdint> <cstring> <deque> <filesystem> <fstream>
    <functional> <limits> <map> <memory> <mutex> <optional> <set> <span> <sstream> <string> <string_view> <thread> <unordered_map> <utility>
    <variant> <vector> <fmt/format.h> <fmt/ranges.h> <nlohmann/json.hpp>)

# GCC 12 sees copies of strings in these that are out of bounds and cannot be (bug 105651); without precompiled headers it does not say so.
set(WAN_FALSE_ALARM "")
if(WAN_PRECOMPILE AND CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 13)
  set(WAN_FALSE_ALARM -Wno-array-bounds -Wno-stringop-overread)
endif()
function(wan_false_alarms)
  set_source_files_properties(${ARGN} PROPERTIES COMPILE_OPTIONS "${WAN_FALSE_ALARM}")
endfunction()

# wan_precompile(target kind): TARGET reads the headers precompiled for files of KIND (hot, pic, cold, light, test), whose flags it has.
function(wan_precompile target kind)
  if(NOT WAN_PRECOMPILE)
    return()
  endif()
  set(shared wan_precompiled_${kind})
  if(NOT TARGET ${shared})
    file(WRITE ${PROJECT_BINARY_DIR}/precompiled/${kind}.cpp "")
    add_library(${shared} OBJECT EXCLUDE_FROM_ALL ${PROJECT_BINARY_DIR}/precompiled/${kind}.cpp)
    target_link_libraries(${shared} PRIVATE wan_flags fmt::fmt nlohmann_json::nlohmann_json)
    set(headers ${WAN_COMMON_HEADERS})
    if(kind STREQUAL "test")
      list(APPEND headers <gmock/gmock.h> <gtest/gtest.h>)
      target_link_libraries(${shared} PRIVATE GTest::gtest GTest::gmock)
      set_target_properties(${shared} PROPERTIES WAN_TEST_CODE ON)
    elseif(kind STREQUAL "pic")
      set_target_properties(${shared} PROPERTIES POSITION_INDEPENDENT_CODE ON)
    elseif(kind STREQUAL "cold")
      set_target_properties(${shared} PROPERTIES WAN_COLD_CODE ON)
    elseif(kind STREQUAL "light")
      set_target_properties(${shared} PROPERTIES WAN_LIGHT_CODE ON)
    endif()
    target_precompile_headers(${shared} PRIVATE ${headers})
    set_target_properties(${shared} PROPERTIES PCH_WARN_INVALID OFF)
  endif()
  set_target_properties(${target} PROPERTIES PCH_WARN_INVALID OFF)
  target_precompile_headers(${target} REUSE_FROM ${shared})
endfunction()
