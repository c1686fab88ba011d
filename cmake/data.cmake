# Data that travels with the program: the small trained checkpoint, the tokenizer that made checkpoints get, and the
# suites and curves, in the build tree and installed.
set(WAN_SHARE ${PROJECT_BINARY_DIR}/share/wanbench)
file(REMOVE_RECURSE ${WAN_SHARE}/checkpoint ${WAN_SHARE}/tokenizer)  # an older build's must not stay
file(COPY ${PROJECT_SOURCE_DIR}/models/shapes-ti2v/ DESTINATION ${WAN_SHARE}/checkpoint)
file(COPY ${PROJECT_SOURCE_DIR}/models/tokenizer/ DESTINATION ${WAN_SHARE}/tokenizer PATTERN README.md EXCLUDE)
file(REMOVE_RECURSE ${WAN_SHARE}/suites)  # one that is gone from the source must not stay
file(GLOB suites CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/suites/*)
file(COPY ${suites} DESTINATION ${WAN_SHARE}/suites)
file(REMOVE_RECURSE ${WAN_SHARE}/curves)  # to read: the library has them within it
file(COPY ${PROJECT_SOURCE_DIR}/curves/ DESTINATION ${WAN_SHARE}/curves)
file(GLOB shim CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/src/inject/python/*.py)
foreach(file IN LISTS shim)
  get_filename_component(name ${file} NAME)
  configure_file(${file} ${WAN_SHARE}/python/${name} COPYONLY)
endforeach()
install(DIRECTORY ${WAN_SHARE} DESTINATION ${CMAKE_INSTALL_DATADIR} PATTERN __pycache__ EXCLUDE)
