# CUDA: seam_cuda, the sweep on NVIDIA (src/engine/cuda), and its test. Needs nvcc, cuBLAS and cuDNN.
# SEAM_CUDA: AUTO builds it where they are found, ON insists, OFF does not look. AUTO does not look either when the
# build is for another machine or has sanitizers, whose options nvcc does not take.

# Decoders and codebooks that the kernels share with the host: built everywhere, tested without a GPU.
add_library(seam_cuda_blocks STATIC ${CMAKE_SOURCE_DIR}/src/engine/cuda/grids.c)
target_include_directories(seam_cuda_blocks PUBLIC ${CMAKE_SOURCE_DIR}/src)
target_link_libraries(seam_cuda_blocks PRIVATE seam_options seam_dep_ggml)

set(SEAM_CUDA AUTO CACHE STRING "The NVIDIA sweep: AUTO, ON or OFF")
set_property(CACHE SEAM_CUDA PROPERTY STRINGS AUTO ON OFF)
# GB10 and H100/H200; one builds faster. No PTX of other chips: they are not supported.
set(SEAM_CUDA_ARCHITECTURES 90-real 121-real CACHE STRING "CMake's names of the chips to compile for")

set(SEAM_CUDA_FOUND OFF)
set(wanted ${SEAM_CUDA})
if(wanted STREQUAL "AUTO" AND (CMAKE_CROSSCOMPILING OR SEAM_SANITIZE OR SEAM_FUZZ))
    set(wanted OFF)
endif()
if(NOT wanted STREQUAL "OFF")
    find_program(SEAM_NVCC nvcc HINTS ENV CUDA_PATH ENV CUDA_HOME PATHS /usr/local/cuda/bin)
    if(SEAM_NVCC)
        set(CMAKE_CUDA_COMPILER ${SEAM_NVCC} CACHE FILEPATH "nvcc")
        set(CMAKE_CUDA_ARCHITECTURES ${SEAM_CUDA_ARCHITECTURES})
        enable_language(CUDA)
        find_package(CUDAToolkit QUIET)
        find_library(SEAM_CUDNN cudnn HINTS ${CUDAToolkit_LIBRARY_DIR})
    endif()
    if(SEAM_NVCC AND CUDAToolkit_FOUND AND TARGET CUDA::cublasLt AND SEAM_CUDNN)
        set(SEAM_CUDA_FOUND ON)
    elseif(SEAM_CUDA STREQUAL "ON")
        message(FATAL_ERROR " -DSEAM_CUDA=ON needs CUDA >= 13.0 with nvcc, cuBLAS and cuDNN, not all found"
            " (installed elsewhere: CUDA_PATH)")
    else()
        message(STATUS "no CUDA (nvcc, cuBLAS, cuDNN): the sweep runs through ggml")
    endif()
endif()

if(SEAM_CUDA_FOUND)
    set(CMAKE_CUDA_STANDARD 17)
    set(CMAKE_CUDA_FLAGS_RELEASE "-O3")
    file(GLOB cuda_sources CONFIGURE_DEPENDS
        ${CMAKE_SOURCE_DIR}/src/engine/cuda/*.cu ${CMAKE_SOURCE_DIR}/src/engine/cuda/*.c)
    list(FILTER cuda_sources EXCLUDE REGEX "/grids\\.c$")
    add_library(seam_cuda STATIC ${cuda_sources})
    target_include_directories(seam_cuda PUBLIC ${CMAKE_SOURCE_DIR}/src)
    # Not seam_options, whose warnings are C's: nvcc's own host code would not pass them.
    target_compile_options(seam_cuda PRIVATE
        $<$<COMPILE_LANGUAGE:C>:-Wall;-Wextra;-Wconversion;-Wshadow;-Wstrict-prototypes;-Wmissing-prototypes
            $<$<BOOL:${SEAM_WERROR}>:-Werror>>
        $<$<COMPILE_LANGUAGE:CUDA>:-Xcompiler=-Wall,-Wextra,-Wno-unused-parameter
            $<$<BOOL:${SEAM_WERROR}>:-Werror=all-warnings>>)
    # blocks.h: ggml's bits, so no contraction of a * b + c.
    set_source_files_properties(${CMAKE_SOURCE_DIR}/src/engine/cuda/dequantize.cu
        PROPERTIES COMPILE_OPTIONS "-fmad=false")
    target_link_libraries(seam_cuda PUBLIC seam_cuda_blocks CUDA::cudart_static ${CMAKE_DL_LIBS}
        PRIVATE seam_model seam_dep_ggml)
    # cuBLAS and cuDNN are loaded when a device is opened, see src/engine/cuda/libraries.h.
    get_filename_component(cudnn_dir ${SEAM_CUDNN} DIRECTORY)
    target_compile_definitions(seam_cuda PRIVATE _GNU_SOURCE
        "SEAM_CUBLAS_DIR=\"${CUDAToolkit_LIBRARY_DIR}\"" "SEAM_CUDNN_DIR=\"${cudnn_dir}\"")
    message(STATUS "CUDA ${CUDAToolkit_VERSION} from ${CUDAToolkit_BIN_DIR}, for ${SEAM_CUDA_ARCHITECTURES}")
endif()
