// Shared pieces of the AVX2 variant: loads of ragged ends, lane sums and the elementary functions of numbers.h, eight
// lanes at a time.
#ifndef BLOCKWISE_AVX2_H
#define BLOCKWISE_AVX2_H

#if defined(__x86_64__)

#include <immintrin.h>

#include "attention.h"
#include "numbers.h"
#include "variants.h"

#pragma STDC FP_CONTRACT OFF

#define BW_AVX2_TARGET __attribute__((target("avx2,fma,f16c")))
#define BW_AVX2 BW_AVX2_TARGET static
#define BW_AVX2_INLINE BW_AVX2_TARGET __attribute__((always_inline)) static inline
#define BW_UNROLL _Pragma("clang loop unroll(full)")
#define BW_ROLLED _Pragma("clang loop unroll(disable)")

/// 16 neighbouring values.
typedef struct {
  __m256 low, high;
} bw_16;

BW_AVX2_INLINE bw_16 bw_load_16(const float *x) { return (bw_16){_mm256_loadu_ps(x), _mm256_loadu_ps(x + 8)}; }

/// The first `count` (1…15) of 16 values, the rest as given.
BW_AVX2_INLINE bw_16 bw_load_part(const float *x, ptrdiff_t count, float rest) {
  float values[16];
  for (int i = 0; i < 16; i++) values[i] = i < count ? x[i] : rest;
  return bw_load_16(values);
}

BW_AVX2_INLINE void bw_store_16(float *x, bw_16 v) {
  _mm256_storeu_ps(x, v.low);
  _mm256_storeu_ps(x + 8, v.high);
}

BW_AVX2_INLINE void bw_store_part(float *x, ptrdiff_t count, bw_16 v) {
  float values[16];
  bw_store_16(values, v);
  memcpy(x, values, (size_t)count * 4);
}

/// The order of bw_sum_lanes.
BW_AVX2_INLINE float bw_sum_16(__m256 low, __m256 high) {
  const __m256 eight = _mm256_add_ps(low, high);
  const __m128 four = _mm_add_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
  const __m128 two = _mm_add_ps(four, _mm_movehl_ps(four, four));
  return _mm_cvtss_f32(_mm_add_ss(two, _mm_shuffle_ps(two, two, 1)));
}

BW_AVX2_INLINE __m256 bw_exp_8(__m256 x) {
  // max and min return their second operand when one is NaN.
  x = _mm256_max_ps(_mm256_set1_ps(BW_EXP_LOWEST), x);
  x = _mm256_min_ps(_mm256_set1_ps(BW_EXP_HIGHEST), x);
  const __m256 n =
      _mm256_round_ps(_mm256_mul_ps(x, _mm256_set1_ps(BW_LOG2_E)), _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
  const __m256 r = _mm256_fmadd_ps(
      n, _mm256_set1_ps(-BW_LN2_LOW), _mm256_fmadd_ps(n, _mm256_set1_ps(-BW_LN2_HIGH), x));
  __m256 p = _mm256_set1_ps(BW_EXP_C7);
  p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(BW_EXP_C6));
  p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(BW_EXP_C5));
  p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(BW_EXP_C4));
  p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(BW_EXP_C3));
  p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(BW_EXP_C2));
  p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(1));
  p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(1));
  const __m256i exponent = _mm256_cvtps_epi32(n);
  const __m256i half = _mm256_srai_epi32(exponent, 1);
  const __m256i bias = _mm256_set1_epi32(127);
  const __m256i rest = _mm256_sub_epi32(exponent, half);
  p = _mm256_mul_ps(p, _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_add_epi32(half, bias), 23)));
  return _mm256_mul_ps(p, _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_add_epi32(rest, bias), 23)));
}

BW_AVX2_INLINE __m256 bw_soft_cap_8(__m256 x, __m256 cap) {
  const __m256 sign_bit = _mm256_set1_ps(-0.0f);
  const __m256 one = _mm256_set1_ps(1);
  x = _mm256_div_ps(x, cap);
  const __m256 magnitude = _mm256_andnot_ps(sign_bit, x);
  const __m256 z = _mm256_mul_ps(x, x);
  __m256 p = _mm256_set1_ps(BW_TANH_C11);
  p = _mm256_fmadd_ps(p, z, _mm256_set1_ps(BW_TANH_C9));
  p = _mm256_fmadd_ps(p, z, _mm256_set1_ps(BW_TANH_C7));
  p = _mm256_fmadd_ps(p, z, _mm256_set1_ps(BW_TANH_C5));
  p = _mm256_fmadd_ps(p, z, _mm256_set1_ps(BW_TANH_C3));
  const __m256 small = _mm256_fmadd_ps(_mm256_mul_ps(p, z), x, x);
  const __m256 e = bw_exp_8(_mm256_mul_ps(magnitude, _mm256_set1_ps(-2)));
  const __m256 quotient = _mm256_div_ps(_mm256_sub_ps(one, e), _mm256_add_ps(one, e));
  const __m256 large = _mm256_or_ps(quotient, _mm256_and_ps(x, sign_bit));
  const __m256 is_small = _mm256_cmp_ps(magnitude, _mm256_set1_ps(BW_TANH_SMALL), _CMP_LT_OQ);
  return _mm256_mul_ps(cap, _mm256_blendv_ps(large, small, is_small));
}

/// Tiles [first_tile, end_tile) of a product; in avx2_matmul.c.
void bw_avx2_matmul(const bw_matmul *job, ptrdiff_t first_tile, ptrdiff_t end_tile);
/// Whether it computes a format with vectors.
int32_t bw_avx2_has_product(int32_t format);
/// Products of Q5_K, I4, I4M and I5M, NULL for other formats; in avx2_groups.c.
bw_tiles_function *bw_avx2_groups(int32_t format, int is_int8);
/// In avx2_attention.c.
void bw_avx2_attend(const bw_attention *job);
void bw_avx2_attend_row(const bw_row_attention *row);

#endif
#endif
