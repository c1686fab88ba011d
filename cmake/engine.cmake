# The engine as a library: its public header, and what of it is installed. Included after src/.
include(CMakePackageConfigHelpers)

# The public header is these headers of src/ in one file, each after those it includes. One that includes anything else
# of ours would drag in what is private, and stops here.
set(WAN_PUBLIC_HEADERS base/error.h base/memory_size.h base/solver.h base/step_cache.h base/stored_as.h base/stage.h base/weight_choice.h pipeline/stop.h pipeline/forwards.h pipeline/request.h pipeline/observer.h pipeline/frame_consumer.h pipeline/preview.h
    pipeline/expectation.h pipeline/engine.h)
set(public_text "// The public interface of wanbench's engine; docs/design.md tells how it is meant. Made by CMake from src/: do not edit.\n#pragma once\n")
set(seen "")
foreach(header IN LISTS WAN_PUBLIC_HEADERS)
  set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/src/${header})
  file(READ ${PROJECT_SOURCE_DIR}/src/${header} text)
  string(REGEX MATCHALL "#include \"[^\"]+\"" includes "${text}")
  foreach(include IN LISTS includes)
    string(REGEX REPLACE "#include \"(.*)\"" "\\1" included "${include}")
    if(NOT included IN_LIST seen)
      message(FATAL_ERROR "${header} is public and includes ${included}, which is not: see cmake/engine.cmake")
    endif()
  endforeach()
  string(REGEX REPLACE "#include \"[^\"]+\"\n|#pragma once\n" "" text "${text}")
  string(APPEND public_text "\n// ---- ${header} ----\n${text}")
  list(APPEND seen ${header})
endforeach()
file(CONFIGURE OUTPUT ${PROJECT_BINARY_DIR}/include/wanbench/engine.h CONTENT "${public_text}" @ONLY)

add_library(wanbench::engine ALIAS wan_pipeline)
target_include_directories(wan_pipeline INTERFACE $<BUILD_INTERFACE:${PROJECT_BINARY_DIR}/include> $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)
target_compile_features(wan_pipeline INTERFACE cxx_std_20)

# wanbench::engine needs the others; who uses it names it alone.
set_target_properties(wan_pipeline PROPERTIES EXPORT_NAME engine)
set(engine_libraries wan_pipeline)
foreach(name base tensor comm backend cpu cuda make_backend io sampler model)
  set_target_properties(wan_${name} PROPERTIES EXPORT_NAME ${name})
  list(APPEND engine_libraries wan_${name})
endforeach()
set(package ${CMAKE_INSTALL_LIBDIR}/cmake/wanbench)
install(TARGETS ${engine_libraries} EXPORT wanbenchTargets ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR} COMPONENT engine)
install(EXPORT wanbenchTargets NAMESPACE wanbench:: DESTINATION ${package} COMPONENT engine)
install(FILES ${PROJECT_BINARY_DIR}/include/wanbench/engine.h DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/wanbench COMPONENT engine)
configure_package_config_file(cmake/wanbenchConfig.cmake.in ${PROJECT_BINARY_DIR}/wanbenchConfig.cmake INSTALL_DESTINATION ${package}
                              NO_SET_AND_CHECK_MACRO)
write_basic_package_version_file(${PROJECT_BINARY_DIR}/wanbenchConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/wanbenchConfig.cmake ${PROJECT_BINARY_DIR}/wanbenchConfigVersion.cmake DESTINATION ${package}
        COMPONENT engine)
