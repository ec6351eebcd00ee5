// What the products of the AVX-512 variant share. A vector is one whole tile of 16 output rows.
#ifndef BLOCKWISE_AVX512_PRODUCTS_H
#define BLOCKWISE_AVX512_PRODUCTS_H

#if defined(__x86_64__)

#include "activations.h"
#include "avx512.h"
#include "tiles.h"

#pragma STDC FP_CONTRACT OFF

/// The weights that are read next, fetched while the present ones are multiplied: a part of them with every group.
typedef struct {
  const uint8_t *weights;
  ptrdiff_t pause;   // groups to go before the next part
  ptrdiff_t share;   // blocks of rows that share the work
} bw_ahead;

BW_AVX512_INLINE void bw_fetch_ahead(bw_ahead *next, ptrdiff_t bytes) {
  if (next->pause > 0) {
    next->pause--;
    return;
  }
  next->pause = next->share - 1;
  BW_UNROLL
  for (ptrdiff_t i = 0; i < bytes; i += 64) _mm_prefetch((const char *)next->weights + i, _MM_HINT_T1);
  next->weights += bytes;
}

BW_AVX512_INLINE void bw_store_outputs(const bw_matmul *job, ptrdiff_t tile, ptrdiff_t row, __m512 values) {
  const ptrdiff_t first = tile * BW_TILE_ROWS;
  const ptrdiff_t left = job->rows - first;
  const __mmask16 mask = left >= BW_TILE_ROWS ? (__mmask16)0xffff : (__mmask16)((1u << left) - 1);
  if (job->bias) values = _mm512_add_ps(values, _mm512_maskz_loadu_ps(mask, job->bias + first));
  _mm512_mask_storeu_ps(job->y + row * job->y_stride + first, mask, values);
}

BW_AVX512_INLINE __m512i bw_broadcast_quad(const int8_t *x) {
  int32_t quad;
  memcpy(&quad, x, 4);
  return _mm512_set1_epi32(quad);
}

BW_AVX512_INLINE __m512 bw_halves_16(const uint8_t *halves) {
  return _mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)(const void *)halves));
}

/// Scale (or minimum) of 16 rows.
BW_AVX512_INLINE __m512 bw_unsigned_scales(__m512 d, const uint8_t *factors) {
  const __m128i bytes = _mm_loadu_si128((const __m128i *)(const void *)factors);
  return _mm512_mul_ps(d, _mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(bytes)));
}

/// Products of Q5_K, I4, I4M and I5M, NULL for other formats; in avx512_groups.c.
bw_tiles_function *bw_avx512_groups(int32_t format, int is_int8);

#endif
#endif
