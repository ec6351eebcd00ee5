// The AVX-512 variant: work on single rows that counts beside the products. For the rest eight lanes do, those of AVX2.
#if defined(__x86_64__)

#include "avx512.h"

#pragma STDC FP_CONTRACT OFF

// MARK: - int8 rows

/// The largest magnitude of 32 numbers as bits, which are ordered as the numbers are, NaN above everything.
BW_AVX512_INLINE uint32_t largest_magnitude_bits_32(__m512 low, __m512 high) {
  const __m512i mask = _mm512_set1_epi32(0x7fffffff);
  const __m512i a = _mm512_and_si512(_mm512_castps_si512(low), mask);
  const __m512i b = _mm512_and_si512(_mm512_castps_si512(high), mask);
  return _mm512_reduce_max_epu32(_mm512_max_epu32(a, b));
}

/// bw_quantize of 16 values and their sum.
BW_AVX512_INLINE int32_t quantize_16(__m512 x, float inverse, int8_t *q) {
  const __m512 scaled = _mm512_mul_ps(x, _mm512_set1_ps(inverse));
  const __m512 bounded =
      _mm512_min_ps(_mm512_max_ps(scaled, _mm512_set1_ps(-127)), _mm512_set1_ps(127));
  const __m512i values = _mm512_cvtps_epi32(bounded);
  _mm_storeu_si128((__m128i *)(void *)q, _mm512_cvtepi32_epi8(values));
  return _mm512_reduce_add_epi32(values);
}

BW_AVX512_TARGET void bw_avx512_quantize_rows(
    const float *x, ptrdiff_t x_stride, ptrdiff_t first_row, ptrdiff_t end_row, ptrdiff_t first_group,
    ptrdiff_t end_group, ptrdiff_t groups, bw_panel_group *panels) {
  for (ptrdiff_t row = first_row; row < end_row; row++) {
    const ptrdiff_t lane = row % BW_PANEL_ROWS;
    const float *from = x + row * x_stride + first_group * BW_GROUP;
    bw_panel_group *group = bw_panel(panels, groups, row, first_group);
    for (ptrdiff_t g = first_group; g < end_group; g++, group++, from += BW_GROUP) {
      const __m512 low = _mm512_loadu_ps(from), high = _mm512_loadu_ps(from + 16);
      float scale, inverse;
      bw_activation_scale(largest_magnitude_bits_32(low, high), &scale, &inverse);
      int8_t *q = group->q[lane];
      if (inverse == 0) {
        // Zeros, or numbers that are not finite and must not be multiplied.
        memset(q, 0, BW_GROUP);
        bw_describe_group(group, lane, scale, 0, 0);
      } else {
        const int32_t first_sum = quantize_16(low, inverse, q), second_sum = quantize_16(high, inverse, q + 16);
        bw_describe_group(group, lane, scale, first_sum, second_sum);
      }
    }
  }
}

// MARK: - Normalisation

/// The order of bw_sum_lanes.
BW_AVX512_INLINE float sum_lanes(__m512 x) {
  const __m256 eight = _mm256_add_ps(_mm512_castps512_ps256(x), _mm512_extractf32x8_ps(x, 1));
  const __m128 four = _mm_add_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
  const __m128 two = _mm_add_ps(four, _mm_movehl_ps(four, four));
  return _mm_cvtss_f32(_mm_add_ss(two, _mm_shuffle_ps(two, two, 1)));
}

BW_AVX512_TARGET void bw_avx512_rms_norm(
    const float *x, ptrdiff_t x_stride, const float *weight, float epsilon, ptrdiff_t row_count, ptrdiff_t columns,
    float *y, ptrdiff_t y_stride) {
  for (ptrdiff_t row = 0; row < row_count; row++, x += x_stride, y += y_stride) {
    __m512 squares = _mm512_setzero_ps();
    for (ptrdiff_t i = 0; i < columns; i += 16) {
      const __m512 v = _mm512_maskz_loadu_ps(bw_first_lanes(columns - i), x + i);
      squares = _mm512_fmadd_ps(v, v, squares);
    }
    const __m512 factor = _mm512_set1_ps(1.0f / sqrtf(sum_lanes(squares) / (float)columns + epsilon));
    for (ptrdiff_t i = 0; i < columns; i += 16) {
      const __mmask16 lanes = bw_first_lanes(columns - i);
      __m512 v = _mm512_mul_ps(_mm512_maskz_loadu_ps(lanes, x + i), factor);
      if (weight) v = _mm512_mul_ps(v, _mm512_maskz_loadu_ps(lanes, weight + i));
      _mm512_mask_storeu_ps(y + i, lanes, v);
    }
  }
}

// MARK: - Element by element

BW_AVX512_TARGET void bw_avx512_silu_multiply(const float *gate, const float *up, float *out, ptrdiff_t count) {
  const __m512 one = _mm512_set1_ps(1);
  for (ptrdiff_t i = 0; i < count; i += 16) {
    const __mmask16 lanes = bw_first_lanes(count - i);
    const __m512 x = _mm512_maskz_loadu_ps(lanes, gate + i);
    const __m512 e = bw_exp_16(_mm512_xor_ps(x, _mm512_set1_ps(-0.0f)));
    const __m512 silu = _mm512_div_ps(x, _mm512_add_ps(one, e));
    _mm512_mask_storeu_ps(out + i, lanes, _mm512_mul_ps(silu, _mm512_maskz_loadu_ps(lanes, up + i)));
  }
}

BW_AVX512_TARGET void bw_avx512_add(const float *a, const float *b, float *out, ptrdiff_t count) {
  for (ptrdiff_t i = 0; i < count; i += 16) {
    const __mmask16 lanes = bw_first_lanes(count - i);
    const __m512 sum = _mm512_add_ps(_mm512_maskz_loadu_ps(lanes, a + i), _mm512_maskz_loadu_ps(lanes, b + i));
    _mm512_mask_storeu_ps(out + i, lanes, sum);
  }
}

// MARK: - Logits

/// The lowest index with a value, of all but one.
BW_AVX512_INLINE int32_t index_of(const float *x, ptrdiff_t count, float value, ptrdiff_t skipped) {
  const __m512 wanted = _mm512_set1_ps(value);
  for (ptrdiff_t i = 0; i < count; i += 16) {
    const __mmask16 lanes = bw_first_lanes(count - i);
    unsigned equal = _mm512_mask_cmp_ps_mask(lanes, _mm512_maskz_loadu_ps(lanes, x + i), wanted, _CMP_EQ_OQ);
    if (skipped >= i && skipped < i + 16) equal &= ~(1u << (skipped - i));
    if (equal) return (int32_t)i + __builtin_ctz(equal);
  }
  return -1;
}

BW_AVX512_TARGET void bw_avx512_reduce_logits(const float *x, ptrdiff_t count, bw_logit_tile *result) {
  const __m512 lowest = _mm512_set1_ps(-INFINITY), infinity = _mm512_set1_ps(INFINITY);
  __m512 first = lowest, second = lowest;
  __mmask16 invalid = 0;
  for (ptrdiff_t i = 0; i < count; i += 16) {
    const __m512 v = _mm512_mask_loadu_ps(lowest, bw_first_lanes(count - i), x + i);
    invalid |= _mm512_cmp_ps_mask(v, infinity, _CMP_NLT_UQ);
    second = _mm512_max_ps(second, _mm512_min_ps(first, v));
    first = _mm512_max_ps(first, v);
  }
  if (invalid) {
    *result = (bw_logit_tile){.top_index = -1, .second_index = -1, .invalid = 1};
    return;
  }
  float candidates[32];
  _mm512_storeu_ps(candidates, first);
  _mm512_storeu_ps(candidates + 16, second);
  float top = -INFINITY, next = -INFINITY;
  for (int i = 0; i < 32; i++) {
    if (candidates[i] > top) {
      next = top;
      top = candidates[i];
    } else if (candidates[i] > next) {
      next = candidates[i];
    }
  }
  bw_logit_tile r = {.top = -INFINITY, .second = -INFINITY, .top_index = -1, .second_index = -1};
  r.top_index = index_of(x, count, top, -1);
  r.second_index = index_of(x, count, next, r.top_index);
  // Read back, so that of +0 and -0 the one that comes first is reported.
  if (r.top_index >= 0) r.top = x[r.top_index];
  if (r.second_index >= 0) r.second = x[r.second_index];
  if (r.top > -INFINITY) {
    const __m512 shift = _mm512_set1_ps(r.top);
    __m512 sum = _mm512_setzero_ps(), weighted = _mm512_setzero_ps();
    for (ptrdiff_t i = 0; i < count; i += 16) {
      const __m512 v = _mm512_mask_loadu_ps(lowest, bw_first_lanes(count - i), x + i);
      const __m512 d = _mm512_sub_ps(v, shift), e = bw_exp_16(d);
      // An entry without weight counts nothing, even at a distance of minus infinity.
      const __m512 counted = _mm512_maskz_mov_ps(_mm512_cmp_ps_mask(e, _mm512_setzero_ps(), _CMP_GT_OQ), d);
      sum = _mm512_add_ps(sum, e);
      weighted = _mm512_fmadd_ps(e, counted, weighted);
    }
    r.sum = sum_lanes(sum);
    r.weighted = sum_lanes(weighted);
  }
  *result = r;
}

#else
typedef int bw_avx512_is_x86_only;
#endif
