# Which cards the CUDA backend gets code for.
#
# CMAKE_CUDA_ARCHITECTURES, where the user gives it, decides. Else WAN_CUDA_CARDS does: NATIVE, the cards of this machine
# (without one, Hopper alone), or ALL, every card the program is meant for that this nvcc knows. A plain number is code for
# that card and no PTX: what the driver would translate at the first start, for a card nobody measured, is embedded only on
# request, as in "80-real;80-virtual".
set(WAN_ALL_ARCHITECTURES 80 89 90a 100 120)  # 100 and 120 from CUDA 12.8
set(WAN_CUDA_CARDS "NATIVE" CACHE STRING "Cards the CUDA backend gets code for where CMAKE_CUDA_ARCHITECTURES is not given: NATIVE or ALL")

# Sets OUT to those of the architectures after it that NVCC does not know. An nvcc that does not answer leaves none out.
function(wan_unknown_architectures out nvcc)
  execute_process(COMMAND ${nvcc} --list-gpu-arch OUTPUT_VARIABLE known ERROR_QUIET RESULT_VARIABLE failed)
  set(unknown "")
  if(NOT failed)
    foreach(architecture IN LISTS ARGN)
      string(REGEX MATCH "^[0-9]+" number "${architecture}")
      if(NOT known MATCHES "compute_${number}[^0-9]")
        list(APPEND unknown ${architecture})
      endif()
    endforeach()
  endif()
  set(${out} "${unknown}" PARENT_SCOPE)
endfunction()

# Sets OUT to the architectures of this machine's cards: 90a for 9.0, whose own instructions our kernels use, 89 for 8.9.
# Empty without a card. WAN_NVIDIA_SMI may name another program that answers as nvidia-smi does.
function(wan_native_architectures out)
  set(found "")
  find_program(WAN_NVIDIA_SMI nvidia-smi)
  if(WAN_NVIDIA_SMI)
    execute_process(COMMAND ${WAN_NVIDIA_SMI} --query-gpu=compute_cap --format=csv,noheader OUTPUT_VARIABLE said ERROR_QUIET
                    RESULT_VARIABLE failed)
    string(REGEX MATCHALL "[0-9]+\\.[0-9]+" capabilities "${said}")
    if(NOT failed)
      foreach(capability IN LISTS capabilities)
        string(REPLACE "." "" number ${capability})
        if(number EQUAL 90)
          set(number 90a)
        endif()
        list(APPEND found ${number})
      endforeach()
    endif()
  endif()
  list(REMOVE_DUPLICATES found)
  set(${out} "${found}" PARENT_SCOPE)
endfunction()

# Sets CMAKE_CUDA_ARCHITECTURES, and WAN_CUDA_LEFT_OUT to what was wanted and NVCC does not know.
macro(wan_choose_architectures nvcc)
  set(WAN_CUDA_LEFT_OUT "")
  if(NOT CMAKE_CUDA_ARCHITECTURES AND DEFINED ENV{CUDAARCHS})
    set(CMAKE_CUDA_ARCHITECTURES $ENV{CUDAARCHS})
  endif()
  set(cards ${WAN_CUDA_CARDS})
  if(CMAKE_CUDA_ARCHITECTURES MATCHES "^(native|all|all-major)$")  # CMake's own words, which the module could not name
    set(cards ALL)
    if(CMAKE_CUDA_ARCHITECTURES STREQUAL "native")
      set(cards NATIVE)
    endif()
    set(CMAKE_CUDA_ARCHITECTURES "")
  endif()
  if(NOT CMAKE_CUDA_ARCHITECTURES)
    if(cards STREQUAL "ALL")
      set(wanted ${WAN_ALL_ARCHITECTURES})
    elseif(cards STREQUAL "NATIVE")
      wan_native_architectures(wanted)
      if(NOT wanted)
        message(STATUS "wanbench: no NVIDIA card is seen here, so the CUDA backend gets code for Hopper alone (90a); "
                       "for another card give -DCMAKE_CUDA_ARCHITECTURES=89 or what it is")
        set(wanted 90a)
      endif()
    else()
      message(FATAL_ERROR "WAN_CUDA_CARDS is '${WAN_CUDA_CARDS}', expected NATIVE or ALL")
    endif()
    wan_unknown_architectures(WAN_CUDA_LEFT_OUT ${nvcc} ${wanted})
    if(WAN_CUDA_LEFT_OUT)
      list(REMOVE_ITEM wanted ${WAN_CUDA_LEFT_OUT})
      message(STATUS "wanbench: left out, since this nvcc does not know them: ${WAN_CUDA_LEFT_OUT}; a newer CUDA toolkit does")
    endif()
    if(NOT wanted)
      message(FATAL_ERROR "no card is left to compile for, since this nvcc does not know ${WAN_CUDA_LEFT_OUT}: install a newer CUDA "
                          "toolkit, or choose with -DCMAKE_CUDA_ARCHITECTURES or -DWAN_CUDA=OFF")
    endif()
    set(CMAKE_CUDA_ARCHITECTURES ${wanted})
  endif()
  list(TRANSFORM CMAKE_CUDA_ARCHITECTURES REPLACE "^([0-9]+[af]?)$" "\\1-real")
  message(STATUS "wanbench: CUDA code for ${CMAKE_CUDA_ARCHITECTURES}")
endmacro()
