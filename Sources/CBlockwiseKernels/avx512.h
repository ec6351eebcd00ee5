// Shared pieces of the AVX-512 variant: the elementary functions of numbers.h, 16 lanes at a time.
#ifndef BLOCKWISE_AVX512_H
#define BLOCKWISE_AVX512_H

#if defined(__x86_64__)

#include <immintrin.h>

#include "numbers.h"
#include "variants.h"

#pragma STDC FP_CONTRACT OFF

#define BW_AVX512_TARGET __attribute__((target("avx512f,avx512bw,avx512vl,avx512dq,avx512vnni,avx2,fma,f16c")))
#define BW_AVX512 BW_AVX512_TARGET static
#define BW_AVX512_INLINE BW_AVX512_TARGET __attribute__((always_inline)) static inline
#define BW_UNROLL _Pragma("clang loop unroll(full)")
#define BW_ROLLED _Pragma("clang loop unroll(disable)")

/// The first `count` of 16 lanes, all of them from 16 on.
BW_AVX512_INLINE __mmask16 bw_first_lanes(ptrdiff_t count) {
  return count >= 16 ? (__mmask16)0xffff : (__mmask16)((1u << count) - 1);
}

BW_AVX512_INLINE __m512 bw_exp_16(__m512 x) {
  // max and min return their second operand when one is NaN.
  x = _mm512_max_ps(_mm512_set1_ps(BW_EXP_LOWEST), x);
  x = _mm512_min_ps(_mm512_set1_ps(BW_EXP_HIGHEST), x);
  const __m512 n = _mm512_roundscale_ps(
      _mm512_mul_ps(x, _mm512_set1_ps(BW_LOG2_E)), _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
  const __m512 r = _mm512_fmadd_ps(
      n, _mm512_set1_ps(-BW_LN2_LOW), _mm512_fmadd_ps(n, _mm512_set1_ps(-BW_LN2_HIGH), x));
  __m512 p = _mm512_set1_ps(BW_EXP_C7);
  p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(BW_EXP_C6));
  p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(BW_EXP_C5));
  p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(BW_EXP_C4));
  p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(BW_EXP_C3));
  p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(BW_EXP_C2));
  p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(1));
  p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(1));
  // p · 2ⁿ, rounded once like the product with two powers of two of which the first is exact.
  return _mm512_scalef_ps(p, n);
}

BW_AVX512_INLINE __m512 bw_soft_cap_16(__m512 x, __m512 cap) {
  const __m512 one = _mm512_set1_ps(1);
  const __m512i sign_bit = _mm512_set1_epi32(INT32_MIN);
  x = _mm512_div_ps(x, cap);
  const __m512 magnitude = _mm512_abs_ps(x);
  const __m512 z = _mm512_mul_ps(x, x);
  __m512 p = _mm512_set1_ps(BW_TANH_C11);
  p = _mm512_fmadd_ps(p, z, _mm512_set1_ps(BW_TANH_C9));
  p = _mm512_fmadd_ps(p, z, _mm512_set1_ps(BW_TANH_C7));
  p = _mm512_fmadd_ps(p, z, _mm512_set1_ps(BW_TANH_C5));
  p = _mm512_fmadd_ps(p, z, _mm512_set1_ps(BW_TANH_C3));
  const __m512 small = _mm512_fmadd_ps(_mm512_mul_ps(p, z), x, x);
  const __m512 e = bw_exp_16(_mm512_mul_ps(magnitude, _mm512_set1_ps(-2)));
  const __m512i quotient = _mm512_castps_si512(_mm512_div_ps(_mm512_sub_ps(one, e), _mm512_add_ps(one, e)));
  const __m512i sign = _mm512_and_si512(_mm512_castps_si512(x), sign_bit);
  const __m512 large = _mm512_castsi512_ps(_mm512_or_si512(quotient, sign));
  const __mmask16 is_small = _mm512_cmp_ps_mask(magnitude, _mm512_set1_ps(BW_TANH_SMALL), _CMP_LT_OQ);
  return _mm512_mul_ps(cap, _mm512_mask_blend_ps(is_small, large, small));
}

#endif
#endif
