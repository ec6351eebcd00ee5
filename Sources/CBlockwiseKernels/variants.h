// The tables behind the run-time choice in dispatch.c.
#ifndef BLOCKWISE_VARIANTS_H
#define BLOCKWISE_VARIANTS_H

#include "CBlockwiseKernels.h"

#if defined(__x86_64__)
/// The AVX2 table, without asking whether the processor can run it.
const bw_kernels *bw_avx2_table(void);
/// The same with the products of AVX-512 and VNNI.
const bw_kernels *bw_avx512_table(void);
/// Tiles [first_tile, end_tile) of a product; in avx512_matmul.c.
void bw_avx512_matmul(const bw_matmul *job, ptrdiff_t first_tile, ptrdiff_t end_tile);
/// In avx512_attention.c.
void bw_avx512_attend(const bw_attention *job);
#endif

#endif
