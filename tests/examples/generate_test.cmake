# Installs the library and the headers, builds examples/ against them, runs it with the small model, and compares with
# what the program makes. cmake -D BUILD=... -D SOURCE=... -D WORK=... -D GENERATOR=... -D COMPILER=... -D FLAGS=... -D PREFIXES=... -P this
cmake_minimum_required(VERSION 3.22)

function(run output)
  execute_process(COMMAND ${ARGN} OUTPUT_VARIABLE text ERROR_VARIABLE errors RESULT_VARIABLE code)
  if(NOT code EQUAL 0)
    message(FATAL_ERROR "${ARGN}: ended with ${code}\n${text}${errors}")
  endif()
  set(${output} "${text}" PARENT_SCOPE)
endfunction()

# The digest of the program's video, of the request in examples/generate.cpp.
function(digest_of_program output seed)
  run(text ${BUILD}/wanbench generate --checkpoint ${checkpoint} --device cpu --size 64x64 --num-frames 9 --steps 4 --seed ${seed} --discard
      --prompt "a video of a red star that moves up on a dark background")
  if(NOT text MATCHES "sha256 ([0-9a-f]+)")
    message(FATAL_ERROR "no digest in\n${text}")
  endif()
  set(${output} ${CMAKE_MATCH_1} PARENT_SCOPE)
endfunction()

set(checkpoint ${BUILD}/share/wanbench/checkpoint)
file(REMOVE_RECURSE ${WORK})
run(text ${CMAKE_COMMAND} --install ${BUILD} --prefix ${WORK}/installed --component engine)
run(text ${CMAKE_COMMAND} -S ${SOURCE}/examples -B ${WORK}/build -G ${GENERATOR} -D CMAKE_CXX_COMPILER=${COMPILER} -D CMAKE_CXX_FLAGS=${FLAGS}
    "-DCMAKE_PREFIX_PATH=${WORK}/installed;${PREFIXES}")
run(text ${CMAKE_COMMAND} --build ${WORK}/build)
file(GLOB_RECURSE headers RELATIVE ${WORK}/installed/include ${WORK}/installed/include/*)
if(NOT headers STREQUAL "wanbench/engine.h")
  message(FATAL_ERROR "the public header is one file, found: ${headers}")
endif()

run(text ${WORK}/build/generate ${checkpoint} ${WORK}/frames cpu)
digest_of_program(first 42)
digest_of_program(second 43)
if(NOT text STREQUAL "first ${first}\nsecond ${second}, of the first 110592 bytes\n")
  message(FATAL_ERROR "the program makes ${first} and ${second}, the example said\n${text}")
endif()
file(GLOB frames ${WORK}/frames/frame_*.png)
list(LENGTH frames count)
if(NOT count EQUAL 9)
  message(FATAL_ERROR "9 frames were asked for, ${count} are in ${WORK}/frames")
endif()
