# What is installed beside the program: manual page, completions, licences; and the packages made of it (`make package`).

# The program writes its own manual page and completions, from the options it declares.
set(WAN_MANUAL ${PROJECT_BINARY_DIR}/manual)
set(manual_files "")
foreach(kind man bash zsh fish)
  list(APPEND manual_commands COMMAND wanbench manual ${kind} > ${WAN_MANUAL}/${kind})
  list(APPEND manual_files ${WAN_MANUAL}/${kind})
endforeach()
file(MAKE_DIRECTORY ${WAN_MANUAL})
add_custom_command(OUTPUT ${manual_files} ${manual_commands} DEPENDS wanbench COMMENT "Writing the manual page and completions" VERBATIM)
add_custom_target(manual ALL DEPENDS ${manual_files})
install(FILES ${WAN_MANUAL}/man DESTINATION ${CMAKE_INSTALL_MANDIR}/man1 RENAME wanbench.1)
install(FILES ${WAN_MANUAL}/bash DESTINATION ${CMAKE_INSTALL_DATADIR}/bash-completion/completions RENAME wanbench)
install(FILES ${WAN_MANUAL}/zsh DESTINATION ${CMAKE_INSTALL_DATADIR}/zsh/site-functions RENAME _wanbench)
install(FILES ${WAN_MANUAL}/fish DESTINATION ${CMAKE_INSTALL_DATADIR}/fish/vendor_completions.d RENAME wanbench.fish)

# Our licence, and those of the sources that are compiled into the program, as the distribution states them. Libraries that are
# linked at run time come with their own.
set(docs ${CMAKE_INSTALL_DATADIR}/doc/wanbench)
install(FILES cmake/copyright LICENSE DESTINATION ${docs})
foreach(source nlohmann-json3-dev libcli11-dev libtomlplusplus-dev libfmt-dev libjs-chart.js)
  set(statement /usr/share/doc/${source}/copyright)
  if(EXISTS ${statement})
    install(FILES ${statement} DESTINATION ${docs}/licenses RENAME ${source})
  endif()
endforeach()
if(WAN_HAVE_CUDA)  # cuDNN's C++ front end is compiled in; its wheel carries the licences
  file(GLOB statement ${PROJECT_SOURCE_DIR}/.venv/lib/python3*/site-packages/nvidia_cudnn_frontend-*.dist-info/licenses/*)
  install(FILES ${statement} DESTINATION ${docs}/licenses/nvidia-cudnn-frontend)
endif()

# The packages hold the program; the library for other projects is installed with `cmake --install --component engine`.
set(CPACK_GENERATOR TXZ DEB)
set(CPACK_INSTALL_CMAKE_PROJECTS "${PROJECT_BINARY_DIR};wanbench;Unspecified;/")
set(CPACK_STRIP_FILES ON)
set(CPACK_THREADS 0)  # as many as there are cores
set(CPACK_PACKAGE_VENDOR wanbench)
set(CPACK_PACKAGE_CONTACT "The wanbench authors <wanbench@localhost>")
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "Wan2.2 video generation, and what it costs on this machine")
set(CPACK_PACKAGE_DESCRIPTION "Runs Wan2.2 video generation natively, and measures every stage's time, memory, power and activity with its\
 spread and its source.")
string(TOLOWER ${CMAKE_SYSTEM_NAME} system)
set(CPACK_PACKAGE_FILE_NAME wanbench-${PROJECT_VERSION}-${system}-${CMAKE_SYSTEM_PROCESSOR})
set(CPACK_VERBATIM_VARIABLES ON)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_SECTION graphics)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
include(CPack)
