/* Weights in ggml's blocks to matrices of bf16, f16 or f32. A thread decodes eight values (16 bytes of bf16) at
 * a time; neighbours decode neighbours, so that reads and writes are of whole lines. The codebooks of the IQ
 * types lie in shared memory. Compiled without contraction of a * b + c: blocks.h gives ggml's bits. */
#include "engine/cuda/blocks.h"
#include "engine/cuda/vector.cuh"

#define THREADS 256
/* Eighths that a thread decodes: fewer and larger blocks amortise the copy of a codebook. */
#define PLAIN   2
#define BOOKED  16

#define BOOK_none    0
#define BOOK_iq2_xxs sizeof(seam_kernel_grids::iq2_xxs)
#define BOOK_iq2_xs  sizeof(seam_kernel_grids::iq2_xs)
#define BOOK_iq2_s   sizeof(seam_kernel_grids::iq2_s)
#define BOOK_iq3_xxs sizeof(seam_kernel_grids::iq3_xxs)
#define BOOK_iq3_s   sizeof(seam_kernel_grids::iq3_s)
#define BOOK_iq1     sizeof(seam_kernel_grids::iq1)
#define BOOK_iq4     sizeof(seam_kernel_grids::iq4)
#define FROM_none    0
#define FROM_iq2_xxs offsetof(seam_kernel_grids, iq2_xxs)
#define FROM_iq2_xs  offsetof(seam_kernel_grids, iq2_xs)
#define FROM_iq2_s   offsetof(seam_kernel_grids, iq2_s)
#define FROM_iq3_xxs offsetof(seam_kernel_grids, iq3_xxs)
#define FROM_iq3_s   offsetof(seam_kernel_grids, iq3_s)
#define FROM_iq1     offsetof(seam_kernel_grids, iq1)
#define FROM_iq4     offsetof(seam_kernel_grids, iq4)

#define TYPE(name, number, n_values, n_bytes, align, grid)                                     \
    struct type_##name {                                                                       \
        static const uint32_t values = n_values, bytes = n_bytes;                              \
        static const uint32_t book_bytes = BOOK_##grid, book_from = FROM_##grid;               \
        static __device__ __forceinline__ void decode(const uint8_t *b, uint32_t part,         \
                                                      const void *book, float v[8])            \
        {                                                                                      \
            seam_block_##name(b, part, book, v);                                               \
        }                                                                                      \
    };
SEAM_BLOCKS(TYPE)

template <class Type, class T>
static __global__ void __launch_bounds__(THREADS)
    dequantize(T *to, const uint8_t *from, uint64_t eighths, const uint8_t *grids)
{
    const int parts = Type::values / 8, rounds = Type::book_bytes ? BOOKED : PLAIN;
    __shared__ uint4 book[Type::book_bytes / 16 + 1];
    if constexpr (Type::book_bytes != 0) {
        for (uint32_t i = threadIdx.x; i < Type::book_bytes / 16; i += THREADS)
            book[i] = ((const uint4 *)(grids + Type::book_from))[i];
        __syncthreads();
    }
    const uint64_t first = (uint64_t)blockIdx.x * (THREADS * rounds) + threadIdx.x;
#pragma unroll 2
    for (int i = 0; i < rounds; i++) {
        const uint64_t e = first + (uint64_t)i * THREADS;
        float v[8];
        if (e >= eighths)
            return;
        Type::decode(from + e / parts * Type::bytes, (uint32_t)(e % parts), book, v);
        store8(to + e * 8, v);
    }
}

template <class Type>
static cudaError_t launch(void *to, enum seam_real type, const void *from, uint64_t n,
                          const struct seam_kernel_grids *grids, cudaStream_t stream)
{
    const uint64_t per = THREADS * (Type::book_bytes ? BOOKED : PLAIN);
    if (n % Type::values || (Type::book_bytes && !grids))
        return cudaErrorInvalidValue;
    SEAM_REAL_CALL(type, T,
                   dequantize<Type, T><<<blocks_for(n / 8, per), THREADS, 0, stream>>>(
                       (T *)to, (const uint8_t *)from, n / 8, (const uint8_t *)grids));
    return launched();
}

typedef cudaError_t (*launch_fn)(void *to, enum seam_real type, const void *from, uint64_t n,
                                 const struct seam_kernel_grids *grids, cudaStream_t stream);

template <enum seam_real FROM>
static cudaError_t convert(void *to, enum seam_real type, const void *from, uint64_t n,
                           const struct seam_kernel_grids *, cudaStream_t stream)
{
    return seam_kernel_convert(to, type, from, FROM, n, stream);
}

static launch_fn find(uint32_t type)
{
#define ROW(name, number, ...) {number, launch<type_##name>},
    static const struct {
        uint32_t type;
        launch_fn fn;
    } rows[] = {SEAM_BLOCKS(ROW){0, convert<SEAM_REAL_F32>},
                {1, convert<SEAM_REAL_F16>},
                {30, convert<SEAM_REAL_BF16>}};
    for (const auto &row : rows)
        if (row.type == type)
            return row.fn;
    return nullptr;
}

bool seam_kernel_dequantizes(uint32_t ggml_type)
{
    return find(ggml_type) != nullptr;
}

cudaError_t seam_kernel_dequantize(void *to, enum seam_real type, const void *from,
                                   uint32_t ggml_type, uint64_t n,
                                   const struct seam_kernel_grids *grids, cudaStream_t stream)
{
    launch_fn fn = find(ggml_type);
    if (!fn)
        return cudaErrorInvalidValue;
    return n ? fn(to, type, from, n, grids, stream) : cudaSuccess;
}
