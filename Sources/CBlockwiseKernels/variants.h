// The tables behind the run-time choice in dispatch.c.
#ifndef BLOCKWISE_VARIANTS_H
#define BLOCKWISE_VARIANTS_H

#include "CBlockwiseKernels.h"

/// A product of some formats: tiles [first_tile, end_tile), all rows.
typedef void bw_tiles_function(const bw_matmul *job, ptrdiff_t first_tile, ptrdiff_t end_tile);

#if defined(__x86_64__)
/// The AVX2 table, without asking whether the processor can run it.
const bw_kernels *bw_avx2_table(void);
/// The same with the products of AVX-512 and VNNI.
const bw_kernels *bw_avx512_table(void);
/// Tiles [first_tile, end_tile) of a product; in avx512_matmul.c.
void bw_avx512_matmul(const bw_matmul *job, ptrdiff_t first_tile, ptrdiff_t end_tile);
/// Whether it computes a format with vectors.
int32_t bw_avx512_has_product(int32_t format);
#endif

#if defined(__aarch64__)
/// The NEON table, without asking whether the processor has the dot products of int8.
const bw_kernels *bw_neon_table(void);
#endif

#endif
