# Writes TARGET from TEMPLATE with the source's revision and whether it is changed. Run at every build, so that a record
# never names another revision than the one that made it; TARGET is touched only when its text changes.
# Does the same with IDENTITY and IDENTITY_TARGET, which tell builds apart that may not be mixed: also by the headers whose
# types cross from the program into its CUDA module, in which two changed trees of one revision may differ.
# cmake -D SOURCE=... -D TEMPLATE=... -D TARGET=... -D IDENTITY=... -D IDENTITY_TARGET=... [-D GIT=...] -P revision.cmake
set(WAN_REVISION unknown)
set(WAN_DIRTY false)
if(GIT AND EXISTS ${SOURCE}/.git)
  execute_process(COMMAND ${GIT} -C ${SOURCE} rev-parse --short=12 HEAD OUTPUT_VARIABLE revision OUTPUT_STRIP_TRAILING_WHITESPACE
                  ERROR_QUIET RESULT_VARIABLE failed)
  execute_process(COMMAND ${GIT} -C ${SOURCE} status --porcelain --untracked-files=no OUTPUT_VARIABLE changes ERROR_QUIET)
  if(NOT failed)
    set(WAN_REVISION ${revision})
  endif()
  if(changes)
    set(WAN_DIRTY true)
  endif()
endif()
set(WAN_CHANGED "")
if(WAN_DIRTY)
  set(WAN_CHANGED " with changes")
endif()
set(digests "")
file(GLOB headers ${SOURCE}/src/base/*.h ${SOURCE}/src/tensor/*.h ${SOURCE}/src/backend/*.h)
foreach(header IN LISTS headers)
  file(SHA256 ${header} digest)
  string(APPEND digests ${digest})
endforeach()
string(SHA256 WAN_HEADERS "${digests}")
string(SUBSTRING ${WAN_HEADERS} 0 12 WAN_HEADERS)
configure_file(${IDENTITY} ${IDENTITY_TARGET} @ONLY)
configure_file(${TEMPLATE} ${TARGET} @ONLY)
