# Finds the libraries. Each becomes one target seam_dep_<name>; the first missing one stops the configuration with
# the command that installs it.

function(seam_missing what)
    # CMake leaves a line that begins with a space as it is.
    message(FATAL_ERROR " Seam needs ${what}, not found: run 'make setup' and build again"
        " (installed elsewhere: CMAKE_PREFIX_PATH, PKG_CONFIG_PATH)")
endfunction()

find_package(PkgConfig QUIET)
if(NOT PKG_CONFIG_FOUND)
    seam_missing("pkg-config")
endif()

function(seam_pkg_dep name module)
    pkg_check_modules(SEAM_PKG_${name} QUIET IMPORTED_TARGET "${module}")
    if(NOT SEAM_PKG_${name}_FOUND)
        seam_missing("${module}")
    endif()
    add_library(seam_dep_${name} INTERFACE)
    target_link_libraries(seam_dep_${name} INTERFACE PkgConfig::SEAM_PKG_${name})
endfunction()

seam_pkg_dep(xxhash "libxxhash")
seam_pkg_dep(sodium "libsodium >= 1.0.18")
seam_pkg_dep(yyjson "yyjson")
seam_pkg_dep(pcre2 "libpcre2-8")
seam_pkg_dep(utf8proc "libutf8proc")
seam_pkg_dep(yaml "yaml-0.1")
seam_pkg_dep(cyaml "libcyaml")
seam_pkg_dep(curl "libcurl >= 7.81")
seam_pkg_dep(sqlite3 "sqlite3")
seam_pkg_dep(microhttpd "libmicrohttpd >= 0.9.75")
seam_pkg_dep(cmocka "cmocka")

# The headers only: the library is loaded when the first link is opened, see src/fabric/libfabric.h.
pkg_check_modules(SEAM_PKG_fabric QUIET libfabric)
if(NOT SEAM_PKG_fabric_FOUND)
    seam_missing("libfabric")
endif()
pkg_get_variable(SEAM_LIBFABRIC_DIR libfabric libdir)
add_library(seam_dep_fabric INTERFACE)
target_include_directories(seam_dep_fabric SYSTEM INTERFACE ${SEAM_PKG_fabric_INCLUDE_DIRS})
target_link_libraries(seam_dep_fabric INTERFACE ${CMAKE_DL_LIBS})
set(file "libfabric.so.1")
if(APPLE)
    set(file "libfabric.1.dylib")
endif()
target_compile_definitions(seam_dep_fabric INTERFACE
    "SEAM_LIBFABRIC_DIR=\"${SEAM_LIBFABRIC_DIR}\"" "SEAM_LIBFABRIC_FILE=\"${file}\"")

# A ggml package may have been built with backends as libraries to load at run time (Debian) or linked in
# (Homebrew); its own CMake file knows. The engine finds backends through ggml's registry either way.
find_package(ggml QUIET CONFIG)
if(NOT ggml_FOUND)
    seam_missing("ggml >= 0.21")
endif()
if(DEFINED GGML_VERSION AND GGML_VERSION VERSION_LESS 0.21)
    message(FATAL_ERROR "Seam needs ggml >= 0.21, but found ${GGML_VERSION} in ${ggml_DIR}: run 'make setup'.")
endif()
add_library(seam_dep_ggml INTERFACE)
target_link_libraries(seam_dep_ggml INTERFACE ggml::ggml)
message(STATUS "ggml ${GGML_VERSION} from ${ggml_DIR}")

# A BLAS with cblas.h makes prefill several times faster (docs/decisions/0005-blas.md); without one all products are
# ggml's. Not OpenBLAS's serial flavour: ggml's threads call it side by side.
add_library(seam_dep_blas INTERFACE)
option(SEAM_BLAS "Use a BLAS for prefill when there is one" ON)
if(SEAM_BLAS AND APPLE)
    target_link_libraries(seam_dep_blas INTERFACE "-framework Accelerate")
    target_compile_definitions(seam_dep_blas INTERFACE "SEAM_CBLAS=<Accelerate/Accelerate.h>" ACCELERATE_NEW_LAPACK)
elseif(SEAM_BLAS)
    pkg_check_modules(SEAM_PKG_blas QUIET IMPORTED_TARGET openblas)
    if(SEAM_PKG_blas_FOUND)
        # The header only: the library is loaded at run time, see src/engine/gemm.c.
        target_include_directories(seam_dep_blas INTERFACE ${SEAM_PKG_blas_INCLUDE_DIRS})
        target_link_libraries(seam_dep_blas INTERFACE ${CMAKE_DL_LIBS})
        target_compile_definitions(seam_dep_blas INTERFACE "SEAM_CBLAS=<cblas.h>" SEAM_OPENBLAS)
    else()
        message(STATUS "no OpenBLAS: prefill will use ggml's kernels alone (run 'make setup')")
    endif()
endif()
