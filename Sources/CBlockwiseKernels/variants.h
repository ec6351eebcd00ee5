// The tables behind the run-time choice in dispatch.c.
#ifndef BLOCKWISE_VARIANTS_H
#define BLOCKWISE_VARIANTS_H

#include "CBlockwiseKernels.h"

/// A product of some formats: tiles [first_tile, end_tile), all rows.
typedef void bw_tiles_function(const bw_matmul *job, ptrdiff_t first_tile, ptrdiff_t end_tile);

#if defined(__x86_64__)
/// The AVX2 table, without asking whether the processor can run it.
const bw_kernels *bw_avx2_table(void);
/// The AVX-512 table, without asking either.
const bw_kernels *bw_avx512_table(void);
/// Tiles [first_tile, end_tile) of a product; in avx512_matmul.c.
void bw_avx512_matmul(const bw_matmul *job, ptrdiff_t first_tile, ptrdiff_t end_tile);
/// Whether it computes a format with vectors.
int32_t bw_avx512_has_product(int32_t format);
/// In avx512_attention.c.
void bw_avx512_attend(const bw_attention *job);
// In avx512.c.
void bw_avx512_quantize_rows(
    const float *x, ptrdiff_t x_stride, ptrdiff_t first_row, ptrdiff_t end_row, ptrdiff_t first_group,
    ptrdiff_t end_group, ptrdiff_t groups, bw_panel_group *panels);
void bw_avx512_rms_norm(
    const float *x, ptrdiff_t x_stride, const float *weight, float epsilon, ptrdiff_t row_count, ptrdiff_t columns,
    float *y, ptrdiff_t y_stride);
void bw_avx512_silu_multiply(const float *gate, const float *up, float *out, ptrdiff_t count);
void bw_avx512_add(const float *a, const float *b, float *out, ptrdiff_t count);
void bw_avx512_reduce_logits(const float *x, ptrdiff_t count, bw_logit_tile *result);
#endif

#if defined(__aarch64__)
/// The NEON table, without asking whether the processor has the dot products of int8.
const bw_kernels *bw_neon_table(void);
#endif

#endif
