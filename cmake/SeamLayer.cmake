# seam_layer(), seam_program(): a folder of src/ as a library or a program.

# Collects the sources of src/<folder>; files named *_linux.c and *_darwin.c belong to one system, *_posix.c to all.
function(seam_sources out folder)
    file(GLOB found CONFIGURE_DEPENDS
        ${CMAKE_SOURCE_DIR}/src/${folder}/*.c ${CMAKE_SOURCE_DIR}/src/${folder}/os/*.c)
    if(NOT CMAKE_SYSTEM_NAME STREQUAL "Linux")
        list(FILTER found EXCLUDE REGEX "_linux\\.c$")
    endif()
    if(NOT CMAKE_SYSTEM_NAME STREQUAL "Darwin")
        list(FILTER found EXCLUDE REGEX "_darwin\\.c$")
    endif()
    set(${out} "${found}" PARENT_SCOPE)
endfunction()

# Makes seam_<folder>. USES is what its headers may show to those above, PRIVATE what they may not.
# A folder without sources yet is an empty interface, so that the rest can be built.
function(seam_layer folder)
    cmake_parse_arguments(ARG "" "" "USES;PRIVATE" ${ARGN})
    seam_sources(sources ${folder})
    if(NOT sources)
        message(STATUS "src/${folder} has no sources yet")
        add_library(seam_${folder} INTERFACE)
        target_include_directories(seam_${folder} INTERFACE ${CMAKE_SOURCE_DIR}/src)
        target_link_libraries(seam_${folder} INTERFACE ${ARG_USES})
        return()
    endif()
    add_library(seam_${folder} STATIC ${sources})
    target_include_directories(seam_${folder} PUBLIC ${CMAKE_SOURCE_DIR}/src)
    target_link_libraries(seam_${folder} PUBLIC ${ARG_USES} PRIVATE seam_options ${ARG_PRIVATE})
endfunction()

function(seam_program name)
    cmake_parse_arguments(ARG "" "FOLDER" "USES" ${ARGN})
    seam_sources(sources ${ARG_FOLDER})
    if(NOT sources)
        message(STATUS "src/${ARG_FOLDER} has no sources yet")
        return()
    endif()
    add_executable(${name} ${sources})
    target_link_libraries(${name} PRIVATE ${ARG_USES} seam_options)
endfunction()

# seam_embed(<folder> <symbol> <file> <header that declares it> <element type>): a file as data of that layer,
# <symbol>[] with a 0 behind it and <symbol>_len.
function(seam_embed folder symbol file header type)
    set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${file})
    file(READ ${file} bytes HEX)
    string(REGEX REPLACE "([0-9a-f][0-9a-f])" "0x\\1," bytes "${bytes}")
    file(CONFIGURE OUTPUT ${CMAKE_BINARY_DIR}/${symbol}.c CONTENT
        "#include \"@header@\"\nconst @type@ @symbol@[] = {@bytes@0};
const unsigned long @symbol@_len = sizeof @symbol@ - 1;\n" @ONLY)
    target_sources(seam_${folder} PRIVATE ${CMAKE_BINARY_DIR}/${symbol}.c)
endfunction()
