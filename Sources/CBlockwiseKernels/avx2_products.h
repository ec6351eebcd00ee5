// What the products of the AVX2 variant share.
#ifndef BLOCKWISE_AVX2_PRODUCTS_H
#define BLOCKWISE_AVX2_PRODUCTS_H

#if defined(__x86_64__)

#include "activations.h"
#include "avx2.h"
#include "tiles.h"

#pragma STDC FP_CONTRACT OFF

enum { BW_TILES_TOGETHER = 4, BW_PREFETCH_BYTES = 2048 };

BW_AVX2_INLINE void bw_prefetch_group(const uint8_t *group, ptrdiff_t bytes) {
  BW_UNROLL
  for (ptrdiff_t i = 0; i < bytes; i += 64) _mm_prefetch((const char *)group + BW_PREFETCH_BYTES + i, _MM_HINT_T0);
}

BW_AVX2_INLINE void bw_store_outputs(const bw_matmul *job, ptrdiff_t tile, ptrdiff_t row, __m256 low, __m256 high) {
  const ptrdiff_t first = tile * BW_TILE_ROWS;
  float *y = job->y + row * job->y_stride + first;
  if (first + BW_TILE_ROWS <= job->rows) {
    if (job->bias) {
      low = _mm256_add_ps(low, _mm256_loadu_ps(job->bias + first));
      high = _mm256_add_ps(high, _mm256_loadu_ps(job->bias + first + 8));
    }
    bw_store_16(y, (bw_16){low, high});
  } else {
    float values[16];
    bw_store_16(values, (bw_16){low, high});
    for (ptrdiff_t i = 0; first + i < job->rows; i++) y[i] = job->bias ? values[i] + job->bias[first + i] : values[i];
  }
}

BW_AVX2_INLINE __m256i bw_broadcast_quad(const int8_t *x) {
  int32_t quad;
  memcpy(&quad, x, 4);
  return _mm256_set1_epi32(quad);
}

BW_AVX2_INLINE __m256 bw_halves_8(const uint8_t *halves) {
  return _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)(const void *)halves));
}

/// Scale (or minimum) of eight rows from row 8 · half.
BW_AVX2_INLINE __m256 bw_unsigned_scales(const uint8_t *d, const uint8_t *factors, int half) {
  const __m128i bytes = _mm_loadl_epi64((const __m128i *)(const void *)(factors + 8 * half));
  return _mm256_mul_ps(bw_halves_8(d + 16 * half), _mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(bytes)));
}

BW_AVX2_INLINE __m256i bw_load_codes(const uint8_t *codes) {
  return _mm256_load_si256((const __m256i *)(const void *)codes);
}

#endif
#endif
