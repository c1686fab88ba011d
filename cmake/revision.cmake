# Writes TARGET from TEMPLATE with the source's revision and whether it is changed. Run at every build, so that a record
# never names another revision than the one that made it; TARGET is touched only when its text changes.
# cmake -D SOURCE=... -D TEMPLATE=... -D TARGET=... [-D GIT=...] -P revision.cmake
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
configure_file(${TEMPLATE} ${TARGET} @ONLY)
