// The AVX2 variant: work on single rows, and the tables. Products and attention are in files of their own.
#if defined(__x86_64__)

#include "avx2.h"

#pragma STDC FP_CONTRACT OFF

// MARK: - int8 rows

BW_AVX2_INLINE uint32_t largest_magnitude_bits_32(const float *x) {
  const __m256i mask = _mm256_set1_epi32(0x7fffffff);
  __m256i largest = _mm256_setzero_si256();
  BW_UNROLL
  for (int i = 0; i < 4; i++) {
    // Without the sign, bit patterns are ordered as the numbers are, NaN above everything.
    largest = _mm256_max_epi32(largest, _mm256_and_si256(mask, _mm256_castps_si256(_mm256_loadu_ps(x + 8 * i))));
  }
  __m128i four = _mm_max_epi32(_mm256_castsi256_si128(largest), _mm256_extracti128_si256(largest, 1));
  four = _mm_max_epi32(four, _mm_shuffle_epi32(four, 0x4e));
  four = _mm_max_epi32(four, _mm_shuffle_epi32(four, 0xb1));
  return (uint32_t)_mm_cvtsi128_si32(four);
}

/// bw_quantize of 32 values, and the sums of both halves.
BW_AVX2_INLINE void quantize_32(const float *x, float inverse, int8_t *q, int32_t *sums) {
  if (inverse == 0) {
    // Zeros, or numbers that are not finite and must not be multiplied.
    memset(q, 0, 32);
    sums[0] = sums[1] = 0;
    return;
  }
  const __m256 factor = _mm256_set1_ps(inverse), limit = _mm256_set1_ps(127), lowest = _mm256_set1_ps(-127);
  __m256i values[4];
  BW_UNROLL
  for (int i = 0; i < 4; i++) {
    const __m256 scaled = _mm256_mul_ps(_mm256_loadu_ps(x + 8 * i), factor);
    values[i] = _mm256_cvtps_epi32(_mm256_min_ps(_mm256_max_ps(scaled, lowest), limit));
  }
  BW_UNROLL
  for (int half = 0; half < 2; half++) {
    const __m256i sum = _mm256_add_epi32(values[2 * half], values[2 * half + 1]);
    __m128i four = _mm_add_epi32(_mm256_castsi256_si128(sum), _mm256_extracti128_si256(sum, 1));
    four = _mm_add_epi32(four, _mm_shuffle_epi32(four, 0x4e));
    four = _mm_add_epi32(four, _mm_shuffle_epi32(four, 0xb1));
    sums[half] = _mm_cvtsi128_si32(four);
  }
  const __m256i bytes =
      _mm256_packs_epi16(_mm256_packs_epi32(values[0], values[1]), _mm256_packs_epi32(values[2], values[3]));
  // Packing works on 128-bit halves; this puts the groups of four back in order.
  const __m256i order = _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7);
  _mm256_storeu_si256((__m256i *)(void *)q, _mm256_permutevar8x32_epi32(bytes, order));
}

BW_AVX2 void quantize_rows(
    const float *x, ptrdiff_t x_stride, ptrdiff_t first_row, ptrdiff_t end_row, ptrdiff_t first_group,
    ptrdiff_t end_group, ptrdiff_t groups, bw_panel_group *panels) {
  for (ptrdiff_t row = first_row; row < end_row; row++) {
    const ptrdiff_t lane = row % BW_PANEL_ROWS;
    for (ptrdiff_t g = first_group; g < end_group; g++) {
      const float *from = x + row * x_stride + g * BW_GROUP;
      bw_panel_group *group = bw_panel(panels, groups, row, g);
      float scale, inverse;
      int32_t sums[2];
      bw_activation_scale(largest_magnitude_bits_32(from), &scale, &inverse);
      quantize_32(from, inverse, group->rows[lane].q, sums);
      bw_describe_group(group, lane, scale, sums[0], sums[1]);
    }
  }
}

// MARK: - Normalisation

BW_AVX2_INLINE float sum_of_squares(const float *x, ptrdiff_t columns, float mean) {
  const __m256 shift = _mm256_set1_ps(mean);
  __m256 low = _mm256_setzero_ps(), high = _mm256_setzero_ps();
  ptrdiff_t i = 0;
  for (; i + 16 <= columns; i += 16) {
    const __m256 a = _mm256_sub_ps(_mm256_loadu_ps(x + i), shift);
    const __m256 b = _mm256_sub_ps(_mm256_loadu_ps(x + i + 8), shift);
    low = _mm256_fmadd_ps(a, a, low);
    high = _mm256_fmadd_ps(b, b, high);
  }
  if (i < columns) {
    const bw_16 end = bw_load_part(x + i, columns - i, mean);
    const __m256 a = _mm256_sub_ps(end.low, shift), b = _mm256_sub_ps(end.high, shift);
    low = _mm256_fmadd_ps(a, a, low);
    high = _mm256_fmadd_ps(b, b, high);
  }
  return bw_sum_16(low, high);
}

BW_AVX2_INLINE float sum_of(const float *x, ptrdiff_t columns) {
  __m256 low = _mm256_setzero_ps(), high = _mm256_setzero_ps();
  ptrdiff_t i = 0;
  for (; i + 16 <= columns; i += 16) {
    low = _mm256_add_ps(low, _mm256_loadu_ps(x + i));
    high = _mm256_add_ps(high, _mm256_loadu_ps(x + i + 8));
  }
  if (i < columns) {
    // Adding -0 leaves every number as it is, as skipping the lane does.
    const bw_16 end = bw_load_part(x + i, columns - i, -0.0f);
    low = _mm256_add_ps(low, end.low);
    high = _mm256_add_ps(high, end.high);
  }
  return bw_sum_16(low, high);
}

BW_AVX2 void rms_norm(
    const float *x, ptrdiff_t x_stride, const float *weight, float epsilon, ptrdiff_t row_count, ptrdiff_t columns,
    float *y, ptrdiff_t y_stride) {
  for (ptrdiff_t row = 0; row < row_count; row++, x += x_stride, y += y_stride) {
    const float factor = 1.0f / sqrtf(sum_of_squares(x, columns, 0) / (float)columns + epsilon);
    const __m256 factors = _mm256_set1_ps(factor);
    ptrdiff_t i = 0;
    for (; i + 8 <= columns; i += 8) {
      __m256 v = _mm256_mul_ps(_mm256_loadu_ps(x + i), factors);
      if (weight) v = _mm256_mul_ps(v, _mm256_loadu_ps(weight + i));
      _mm256_storeu_ps(y + i, v);
    }
    for (; i < columns; i++) {
      const float scaled = x[i] * factor;
      y[i] = weight ? scaled * weight[i] : scaled;
    }
  }
}

BW_AVX2 void layer_norm(
    const float *x, ptrdiff_t x_stride, const float *weight, const float *bias, float epsilon, ptrdiff_t row_count,
    ptrdiff_t columns, float *y, ptrdiff_t y_stride) {
  for (ptrdiff_t row = 0; row < row_count; row++, x += x_stride, y += y_stride) {
    const float mean = sum_of(x, columns) / (float)columns;
    const float factor = 1.0f / sqrtf(sum_of_squares(x, columns, mean) / (float)columns + epsilon);
    const __m256 means = _mm256_set1_ps(mean), factors = _mm256_set1_ps(factor);
    ptrdiff_t i = 0;
    for (; i + 8 <= columns; i += 8) {
      __m256 v = _mm256_mul_ps(_mm256_sub_ps(_mm256_loadu_ps(x + i), means), factors);
      if (weight) v = _mm256_mul_ps(v, _mm256_loadu_ps(weight + i));
      if (bias) v = _mm256_add_ps(v, _mm256_loadu_ps(bias + i));
      _mm256_storeu_ps(y + i, v);
    }
    for (; i < columns; i++) {
      float scaled = (x[i] - mean) * factor;
      if (weight) scaled *= weight[i];
      if (bias) scaled += bias[i];
      y[i] = scaled;
    }
  }
}

// MARK: - Rotary position embedding

BW_AVX2 void rotate_halves(
    float *x, ptrdiff_t head_stride, ptrdiff_t heads, ptrdiff_t pairs, const float *cosines, const float *sines) {
  for (ptrdiff_t head = 0; head < heads; head++, x += head_stride) {
    ptrdiff_t i = 0;
    for (; i + 8 <= pairs; i += 8) {
      const __m256 a = _mm256_loadu_ps(x + i), b = _mm256_loadu_ps(x + i + pairs);
      const __m256 c = _mm256_loadu_ps(cosines + i), s = _mm256_loadu_ps(sines + i);
      _mm256_storeu_ps(x + i, _mm256_fnmadd_ps(b, s, _mm256_mul_ps(a, c)));
      _mm256_storeu_ps(x + i + pairs, _mm256_fmadd_ps(a, s, _mm256_mul_ps(b, c)));
    }
    for (; i < pairs; i++) {
      const float a = x[i], b = x[i + pairs];
      x[i] = fmaf(b, -sines[i], a * cosines[i]);
      x[i + pairs] = fmaf(a, sines[i], b * cosines[i]);
    }
  }
}

BW_AVX2 void rotate_pairs(
    float *x, ptrdiff_t head_stride, ptrdiff_t heads, ptrdiff_t pairs, const float *cosines, const float *sines) {
  const __m256i doubled = _mm256_setr_epi32(0, 0, 1, 1, 2, 2, 3, 3);
  const __m256 signs = _mm256_setr_ps(-0.0f, 0, -0.0f, 0, -0.0f, 0, -0.0f, 0);
  for (ptrdiff_t head = 0; head < heads; head++, x += head_stride) {
    ptrdiff_t i = 0;
    for (; i + 4 <= pairs; i += 4) {
      const __m256 v = _mm256_loadu_ps(x + 2 * i);
      const __m256 c = _mm256_permutevar8x32_ps(_mm256_castps128_ps256(_mm_loadu_ps(cosines + i)), doubled);
      const __m256 s = _mm256_permutevar8x32_ps(_mm256_castps128_ps256(_mm_loadu_ps(sines + i)), doubled);
      const __m256 swapped = _mm256_permute_ps(v, 0xb1);
      _mm256_storeu_ps(x + 2 * i, _mm256_fmadd_ps(swapped, _mm256_xor_ps(s, signs), _mm256_mul_ps(v, c)));
    }
    for (; i < pairs; i++) {
      const float a = x[2 * i], b = x[2 * i + 1];
      x[2 * i] = fmaf(b, -sines[i], a * cosines[i]);
      x[2 * i + 1] = fmaf(a, sines[i], b * cosines[i]);
    }
  }
}

// MARK: - Element by element

BW_AVX2_INLINE __m256 silu_8(__m256 x) {
  const __m256 e = bw_exp_8(_mm256_xor_ps(x, _mm256_set1_ps(-0.0f)));
  return _mm256_div_ps(x, _mm256_add_ps(_mm256_set1_ps(1), e));
}

BW_AVX2 void silu_multiply(const float *gate, const float *up, float *out, ptrdiff_t count) {
  ptrdiff_t i = 0;
  for (; i + 8 <= count; i += 8) {
    _mm256_storeu_ps(out + i, _mm256_mul_ps(silu_8(_mm256_loadu_ps(gate + i)), _mm256_loadu_ps(up + i)));
  }
  for (; i < count; i++) out[i] = bw_silu(gate[i]) * up[i];
}

BW_AVX2 void add(const float *a, const float *b, float *out, ptrdiff_t count) {
  ptrdiff_t i = 0;
  for (; i + 8 <= count; i += 8) {
    _mm256_storeu_ps(out + i, _mm256_add_ps(_mm256_loadu_ps(a + i), _mm256_loadu_ps(b + i)));
  }
  for (; i < count; i++) out[i] = a[i] + b[i];
}

BW_AVX2 void scale(const float *x, float factor, float *out, ptrdiff_t count) {
  const __m256 factors = _mm256_set1_ps(factor);
  ptrdiff_t i = 0;
  for (; i + 8 <= count; i += 8) _mm256_storeu_ps(out + i, _mm256_mul_ps(_mm256_loadu_ps(x + i), factors));
  for (; i < count; i++) out[i] = x[i] * factor;
}

BW_AVX2 void soft_cap(const float *x, float cap, float *out, ptrdiff_t count) {
  const __m256 caps = _mm256_set1_ps(cap);
  ptrdiff_t i = 0;
  for (; i + 8 <= count; i += 8) _mm256_storeu_ps(out + i, bw_soft_cap_8(_mm256_loadu_ps(x + i), caps));
  for (; i < count; i++) out[i] = bw_soft_cap(x[i], cap);
}

BW_AVX2 void exponentials(const float *x, float shift, float factor, float *out, ptrdiff_t count) {
  const __m256 shifts = _mm256_set1_ps(shift), factors = _mm256_set1_ps(factor);
  ptrdiff_t i = 0;
  for (; i + 8 <= count; i += 8) {
    const __m256 v = _mm256_mul_ps(_mm256_sub_ps(_mm256_loadu_ps(x + i), shifts), factors);
    _mm256_storeu_ps(out + i, bw_exp_8(v));
  }
  for (; i < count; i++) out[i] = bw_exp((x[i] - shift) * factor);
}

// MARK: - Cache rows

BW_AVX2 void encode_q8(const float *x, ptrdiff_t count, uint8_t *row) {
  const ptrdiff_t groups = (count + BW_GROUP - 1) / BW_GROUP;
  for (ptrdiff_t g = 0; g < groups; g++) {
    const ptrdiff_t start = g * BW_GROUP;
    const ptrdiff_t length = count - start < BW_GROUP ? count - start : BW_GROUP;
    float values[BW_GROUP] = {0};
    int8_t bytes[BW_GROUP];
    memcpy(values, x + start, (size_t)length * 4);
    float inverse;
    bw_store16(row + 2 * g, bw_cache_scale(largest_magnitude_bits_32(values), &inverse));
    int32_t sums[2];
    quantize_32(values, inverse, bytes, sums);
    memcpy(row + 2 * groups + start, bytes, (size_t)length);
  }
  if (count % 2) row[2 * groups + count] = 0;
}

BW_AVX2 void encode_row(int32_t format, const float *x, ptrdiff_t count, void *row) {
  uint8_t *bytes = (uint8_t *)row;
  ptrdiff_t i = 0;
  switch (format) {
    case BW_F32: memcpy(bytes, x, (size_t)count * 4); break;
    case BW_F16:
      for (; i + 8 <= count; i += 8) {
        const __m128i halves = _mm256_cvtps_ph(_mm256_loadu_ps(x + i), _MM_FROUND_TO_NEAREST_INT);
        _mm_storeu_si128((__m128i *)(void *)(bytes + 2 * i), halves);
      }
      for (; i < count; i++) bw_store16(bytes + 2 * i, bw_float_to_half(x[i]));
      break;
    case BW_BF16:
      for (; i < count; i++) bw_store16(bytes + 2 * i, bw_float_to_bfloat(x[i]));
      break;
    default: encode_q8(x, count, bytes); break;
  }
}

BW_AVX2 void decode_row(int32_t format, const void *row, ptrdiff_t count, float *out) {
  const uint8_t *bytes = (const uint8_t *)row;
  ptrdiff_t i = 0;
  if (format == BW_F16) {
    for (; i + 8 <= count; i += 8) {
      const __m128i halves = _mm_loadu_si128((const __m128i *)(const void *)(bytes + 2 * i));
      _mm256_storeu_ps(out + i, _mm256_cvtph_ps(halves));
    }
  }
  for (; i < count; i++) out[i] = bw_cache_element(format, bytes, count, i);
}

// MARK: - Logits

BW_AVX2_INLINE int32_t index_of(const float *x, ptrdiff_t count, float value, int32_t skipped) {
  const __m256 wanted = _mm256_set1_ps(value);
  ptrdiff_t i = 0;
  for (; i + 8 <= count; i += 8) {
    unsigned equal = (unsigned)_mm256_movemask_ps(_mm256_cmp_ps(_mm256_loadu_ps(x + i), wanted, _CMP_EQ_OQ));
    if (skipped >= i && skipped < i + 8) equal &= ~(1u << (skipped - i));
    if (equal) return (int32_t)i + __builtin_ctz(equal);
  }
  for (; i < count; i++) {
    if (x[i] == value && i != skipped) return (int32_t)i;
  }
  return -1;
}

/// Pushes values through per-lane largest and second largest.
BW_AVX2_INLINE void keep_top_two(__m256 x, __m256 *first, __m256 *second) {
  *second = _mm256_max_ps(*second, _mm256_min_ps(*first, x));
  *first = _mm256_max_ps(*first, x);
}

BW_AVX2_INLINE void add_exponentials(__m256 x, __m256 shift, __m256 *sum, __m256 *weighted) {
  const __m256 d = _mm256_sub_ps(x, shift);
  const __m256 e = bw_exp_8(d);
  // An entry without weight counts nothing, even at a distance of minus infinity.
  const __m256 counted = _mm256_and_ps(d, _mm256_cmp_ps(e, _mm256_setzero_ps(), _CMP_GT_OQ));
  *sum = _mm256_add_ps(*sum, e);
  *weighted = _mm256_fmadd_ps(e, counted, *weighted);
}

BW_AVX2 void reduce_logits(const float *x, ptrdiff_t count, bw_logit_tile *result) {
  const __m256 infinity = _mm256_set1_ps(INFINITY), lowest = _mm256_set1_ps(-INFINITY);
  const ptrdiff_t whole = count / 16 * 16;
  const bw_16 end = bw_load_part(x + whole, count - whole, -INFINITY);
  __m256 first[2] = {lowest, lowest}, second[2] = {lowest, lowest}, invalid = _mm256_setzero_ps();
  for (ptrdiff_t i = 0; i <= whole; i += 16) {
    const bw_16 v = i < whole ? bw_load_16(x + i) : end;
    invalid = _mm256_or_ps(invalid, _mm256_cmp_ps(v.low, infinity, _CMP_NLT_UQ));
    invalid = _mm256_or_ps(invalid, _mm256_cmp_ps(v.high, infinity, _CMP_NLT_UQ));
    keep_top_two(v.low, &first[0], &second[0]);
    keep_top_two(v.high, &first[1], &second[1]);
  }
  if (_mm256_movemask_ps(invalid)) {
    *result = (bw_logit_tile){.top_index = -1, .second_index = -1, .invalid = 1};
    return;
  }
  float candidates[32];
  bw_store_16(candidates, (bw_16){first[0], first[1]});
  bw_store_16(candidates + 16, (bw_16){second[0], second[1]});
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
    const __m256 shift = _mm256_set1_ps(r.top);
    __m256 sums[2], weighted[2];
    sums[0] = sums[1] = weighted[0] = weighted[1] = _mm256_setzero_ps();
    for (ptrdiff_t i = 0; i < count; i += 16) {
      const bw_16 v = i < whole ? bw_load_16(x + i) : end;
      add_exponentials(v.low, shift, &sums[0], &weighted[0]);
      add_exponentials(v.high, shift, &sums[1], &weighted[1]);
    }
    r.sum = bw_sum_16(sums[0], sums[1]);
    r.weighted = bw_sum_16(weighted[0], weighted[1]);
  }
  *result = r;
}

// What AVX-512 has no code of its own for.
#define BW_SHARED_ENTRIES \
  .layer_norm = layer_norm, \
  .rotate_halves = rotate_halves, \
  .rotate_pairs = rotate_pairs, \
  .scale = scale, \
  .soft_cap = soft_cap, \
  .exponentials = exponentials, \
  .encode_row = encode_row, \
  .decode_row = decode_row

const bw_kernels *bw_avx2_table(void) {
  static const bw_kernels table = {
      .matmul = bw_avx2_matmul,
      .has_product = bw_avx2_has_product,
      .quantize_rows = quantize_rows,
      .rms_norm = rms_norm,
      .silu_multiply = silu_multiply,
      .add = add,
      .reduce_logits = reduce_logits,
      .attend = bw_avx2_attend,
      BW_SHARED_ENTRIES};
  return &table;
}

const bw_kernels *bw_avx512_table(void) {
  static const bw_kernels table = {
      .matmul = bw_avx512_matmul,
      .has_product = bw_avx512_has_product,
      .quantize_rows = bw_avx512_quantize_rows,
      .rms_norm = bw_avx512_rms_norm,
      .silu_multiply = bw_avx512_silu_multiply,
      .add = bw_avx512_add,
      .reduce_logits = bw_avx512_reduce_logits,
      .attend = bw_avx512_attend,
      BW_SHARED_ENTRIES};
  return &table;
}

#else
typedef int bw_avx2_is_x86_only;
#endif
