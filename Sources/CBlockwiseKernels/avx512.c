// The AVX-512 variant: work on single rows that counts beside the products. For the rest eight lanes do, those of AVX2.
#if defined(__x86_64__)

#include "avx512.h"

#pragma STDC FP_CONTRACT OFF

// MARK: - int8 rows

/// Groups that are rounded together.
enum { UNITS = 8 };

/// The largest of the 16 numbers of each of eight vectors.
BW_AVX512_INLINE __m256i largest_of_each(const __m512i v[UNITS]) {
  __m512i eights[4], quads[2];
  BW_UNROLL
  for (int i = 0; i < 4; i++) {
    const __m512i a = v[2 * i], b = v[2 * i + 1];
    eights[i] = _mm512_max_epu32(_mm512_shuffle_i32x4(a, b, 0x44), _mm512_shuffle_i32x4(a, b, 0xee));
  }
  BW_UNROLL
  for (int i = 0; i < 2; i++) {
    const __m512i a = eights[2 * i], b = eights[2 * i + 1];
    const __m512i four = _mm512_max_epu32(_mm512_shuffle_i32x4(a, b, 0x88), _mm512_shuffle_i32x4(a, b, 0xdd));
    const __m512i two = _mm512_max_epu32(four, _mm512_shuffle_epi32(four, _MM_PERM_BADC));
    quads[i] = _mm512_max_epu32(two, _mm512_shuffle_epi32(two, _MM_PERM_CDAB));
  }
  const __m512i firsts = _mm512_setr_epi32(0, 4, 8, 12, 16, 20, 24, 28, 0, 0, 0, 0, 0, 0, 0, 0);
  return _mm512_castsi512_si256(_mm512_permutex2var_epi32(quads[0], firsts, quads[1]));
}

/// From eight vectors, each of one number of eight groups, to the eight numbers of each group.
BW_AVX512_INLINE void transpose_8(__m256 v[UNITS]) {
  __m256 pairs[UNITS], quads[UNITS];
  BW_UNROLL
  for (int i = 0; i < UNITS; i += 2) {
    pairs[i] = _mm256_unpacklo_ps(v[i], v[i + 1]);
    pairs[i + 1] = _mm256_unpackhi_ps(v[i], v[i + 1]);
  }
  BW_UNROLL
  for (int i = 0; i < UNITS; i += 4) {
    quads[i] = _mm256_shuffle_ps(pairs[i], pairs[i + 2], 0x44);
    quads[i + 1] = _mm256_shuffle_ps(pairs[i], pairs[i + 2], 0xee);
    quads[i + 2] = _mm256_shuffle_ps(pairs[i + 1], pairs[i + 3], 0x44);
    quads[i + 3] = _mm256_shuffle_ps(pairs[i + 1], pairs[i + 3], 0xee);
  }
  BW_UNROLL
  for (int i = 0; i < 4; i++) {
    v[i] = _mm256_permute2f128_ps(quads[i], quads[i + 4], 0x20);
    v[i + 4] = _mm256_permute2f128_ps(quads[i], quads[i + 4], 0x31);
  }
}

/// Rounds eight groups, as bw_activation_scale and bw_quantize do: within ±127 by themselves, as no magnitude is larger than the
/// one that the scale comes from.
BW_AVX512 void quantize_units(const float *const from[UNITS], bw_panel_row *const to[UNITS]) {
  __m512i largest[UNITS];
  BW_UNROLL
  for (int u = 0; u < UNITS; u++) {
    const __m512i mask = _mm512_set1_epi32(0x7fffffff);
    largest[u] = _mm512_max_epu32(
        _mm512_and_si512(_mm512_loadu_si512(from[u]), mask), _mm512_and_si512(_mm512_loadu_si512(from[u] + 16), mask));
  }
  const __m256i bits = largest_of_each(largest);
  const __m256 magnitudes = _mm256_castsi256_ps(bits), full = _mm256_set1_ps(127);
  const __mmask8 is_finite = _mm256_cmplt_epu32_mask(bits, _mm256_set1_epi32(0x7f800000));
  const __mmask8 is_rounded =
      _mm256_mask_cmp_ps_mask(is_finite, magnitudes, _mm256_set1_ps(1e-30f), _CMP_GE_OQ);
  const __m256 scales =
      _mm256_mask_mov_ps(_mm256_set1_ps(NAN), is_finite, _mm256_maskz_div_ps(is_rounded, magnitudes, full));
  float inverses[UNITS];
  _mm256_storeu_ps(inverses, _mm256_maskz_div_ps(is_rounded, full, magnitudes));
  __m256i sums[UNITS];
  BW_UNROLL
  for (int u = 0; u < UNITS; u++) {
    const __m512 inverse = _mm512_set1_ps(inverses[u]);
    // Zeros, or numbers that are not finite, have no codes.
    const __mmask16 lanes = is_rounded >> u & 1 ? (__mmask16)0xffff : 0;
    const __m512i low = _mm512_maskz_cvtps_epi32(lanes, _mm512_mul_ps(_mm512_loadu_ps(from[u]), inverse));
    const __m512i high = _mm512_maskz_cvtps_epi32(lanes, _mm512_mul_ps(_mm512_loadu_ps(from[u] + 16), inverse));
    const __m256i codes = _mm256_set_m128i(_mm512_cvtepi32_epi8(high), _mm512_cvtepi32_epi8(low));
    _mm256_storeu_si256((__m256i *)(void *)to[u]->q, codes);
    sums[u] = _mm256_dpbusd_epi32(_mm256_setzero_si256(), _mm256_set1_epi8(1), codes);
  }
  // The lower lanes hold sums of the first halves.
  const __m256i front = _mm256_hadd_epi32(_mm256_hadd_epi32(sums[0], sums[1]), _mm256_hadd_epi32(sums[2], sums[3]));
  const __m256i back = _mm256_hadd_epi32(_mm256_hadd_epi32(sums[4], sums[5]), _mm256_hadd_epi32(sums[6], sums[7]));
  const __m256i first = _mm256_permute2x128_si256(front, back, 0x20), second = _mm256_permute2x128_si256(front, back, 0x31);
  const __m256i both = _mm256_add_epi32(first, second), eight = _mm256_set1_epi32(-8);
  // In the order of bw_panel_row.
  __m256 described[UNITS] = {
      scales,
      _mm256_mul_ps(scales, _mm256_cvtepi32_ps(both)),
      _mm256_mul_ps(scales, _mm256_cvtepi32_ps(first)),
      _mm256_mul_ps(scales, _mm256_cvtepi32_ps(second)),
      _mm256_castsi256_ps(_mm256_mullo_epi32(both, eight)),
      _mm256_castsi256_ps(_mm256_mullo_epi32(first, eight)),
      _mm256_castsi256_ps(_mm256_mullo_epi32(second, eight)),
      _mm256_setzero_ps(),
  };
  transpose_8(described);
  BW_UNROLL
  for (int u = 0; u < UNITS; u++) _mm256_storeu_ps(&to[u]->scale, described[u]);
}

BW_AVX512_TARGET void bw_avx512_quantize_rows(
    const float *x, ptrdiff_t x_stride, ptrdiff_t first_row, ptrdiff_t end_row, ptrdiff_t first_group,
    ptrdiff_t end_group, ptrdiff_t groups, bw_panel_group *panels) {
  const float *from[UNITS];
  bw_panel_row *to[UNITS];
  int count = 0;
  for (ptrdiff_t row = first_row; row < end_row; row++) {
    for (ptrdiff_t g = first_group; g < end_group; g++) {
      from[count] = x + row * x_stride + g * BW_GROUP;
      to[count++] = bw_panel(panels, groups, row, g)->rows + row % BW_PANEL_ROWS;
      if (count < UNITS) continue;
      quantize_units(from, to);
      count = 0;
    }
  }
  if (count == 0) return;
  // Behind the end the last group is rounded again.
  for (int u = count; u < UNITS; u++) {
    from[u] = from[count - 1];
    to[u] = to[count - 1];
  }
  quantize_units(from, to);
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
