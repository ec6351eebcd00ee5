// The NEON variant: work on single rows, and the table. Products and attention are in files of their own.
#if defined(__aarch64__)

#include "neon.h"

#pragma STDC FP_CONTRACT OFF

// MARK: - int8 rows

BW_NEON_INLINE uint32_t largest_magnitude_bits_32(const float *x) {
  const uint32x4_t mask = vdupq_n_u32(0x7fffffff);
  uint32x4_t largest = vdupq_n_u32(0);
  BW_UNROLL
  for (int i = 0; i < 8; i++) {
    // Without the sign, bit patterns are ordered as the numbers are, NaN above everything.
    largest = vmaxq_u32(largest, vandq_u32(mask, vreinterpretq_u32_f32(vld1q_f32(x + 4 * i))));
  }
  return vmaxvq_u32(largest);
}

/// bw_quantize of 16 values that are finite, and their sum.
BW_NEON_INLINE int8x16_t quantize_16(const float *x, float inverse, int32_t *sum) {
  const float32x4_t factor = vdupq_n_f32(inverse), limit = vdupq_n_f32(127), lowest = vdupq_n_f32(-127);
  int32x4_t values[4];
  BW_UNROLL
  for (int i = 0; i < 4; i++) {
    const float32x4_t scaled = vmulq_f32(vld1q_f32(x + 4 * i), factor);
    values[i] = vcvtnq_s32_f32(vminq_f32(vmaxq_f32(scaled, lowest), limit));
  }
  *sum = vaddvq_s32(vaddq_s32(vaddq_s32(values[0], values[1]), vaddq_s32(values[2], values[3])));
  const int16x8_t low = vcombine_s16(vmovn_s32(values[0]), vmovn_s32(values[1]));
  const int16x8_t high = vcombine_s16(vmovn_s32(values[2]), vmovn_s32(values[3]));
  return vcombine_s8(vmovn_s16(low), vmovn_s16(high));
}

/// bw_quantize of 32 values, and the sums of both halves.
BW_NEON_INLINE void quantize_32(const float *x, float inverse, int8_t *q, int32_t *sums) {
  if (inverse == 0) {
    // Zeros, or numbers that are not finite and must not be multiplied.
    memset(q, 0, 32);
    sums[0] = sums[1] = 0;
    return;
  }
  vst1q_s8(q, quantize_16(x, inverse, &sums[0]));
  vst1q_s8(q + 16, quantize_16(x + 16, inverse, &sums[1]));
}

static void quantize_rows(
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

BW_NEON_INLINE void add_squares(bw_16 x, float32x4_t shift, bw_16 *sums) {
  BW_UNROLL
  for (int p = 0; p < 4; p++) {
    const float32x4_t d = vsubq_f32(x.part[p], shift);
    sums->part[p] = vfmaq_f32(sums->part[p], d, d);
  }
}

BW_NEON_INLINE float sum_of_squares(const float *x, ptrdiff_t columns, float mean) {
  const float32x4_t shift = vdupq_n_f32(mean);
  bw_16 sums = bw_zero_16();
  ptrdiff_t i = 0;
  for (; i + 16 <= columns; i += 16) add_squares(bw_load_16(x + i), shift, &sums);
  if (i < columns) add_squares(bw_load_part(x + i, columns - i, mean), shift, &sums);
  return bw_sum_16(sums);
}

BW_NEON_INLINE void add_16(bw_16 x, bw_16 *sums) {
  BW_UNROLL
  for (int p = 0; p < 4; p++) sums->part[p] = vaddq_f32(sums->part[p], x.part[p]);
}

BW_NEON_INLINE float sum_of(const float *x, ptrdiff_t columns) {
  bw_16 sums = bw_zero_16();
  ptrdiff_t i = 0;
  for (; i + 16 <= columns; i += 16) add_16(bw_load_16(x + i), &sums);
  // Adding -0 leaves every number as it is, as skipping the lane does.
  if (i < columns) add_16(bw_load_part(x + i, columns - i, -0.0f), &sums);
  return bw_sum_16(sums);
}

static void rms_norm(
    const float *x, ptrdiff_t x_stride, const float *weight, float epsilon, ptrdiff_t row_count, ptrdiff_t columns,
    float *y, ptrdiff_t y_stride) {
  for (ptrdiff_t row = 0; row < row_count; row++, x += x_stride, y += y_stride) {
    const float factor = 1.0f / sqrtf(sum_of_squares(x, columns, 0) / (float)columns + epsilon);
    const float32x4_t factors = vdupq_n_f32(factor);
    ptrdiff_t i = 0;
    for (; i + 4 <= columns; i += 4) {
      float32x4_t v = vmulq_f32(vld1q_f32(x + i), factors);
      if (weight) v = vmulq_f32(v, vld1q_f32(weight + i));
      vst1q_f32(y + i, v);
    }
    for (; i < columns; i++) {
      const float scaled = x[i] * factor;
      y[i] = weight ? scaled * weight[i] : scaled;
    }
  }
}

static void layer_norm(
    const float *x, ptrdiff_t x_stride, const float *weight, const float *bias, float epsilon, ptrdiff_t row_count,
    ptrdiff_t columns, float *y, ptrdiff_t y_stride) {
  for (ptrdiff_t row = 0; row < row_count; row++, x += x_stride, y += y_stride) {
    const float mean = sum_of(x, columns) / (float)columns;
    const float factor = 1.0f / sqrtf(sum_of_squares(x, columns, mean) / (float)columns + epsilon);
    const float32x4_t means = vdupq_n_f32(mean), factors = vdupq_n_f32(factor);
    ptrdiff_t i = 0;
    for (; i + 4 <= columns; i += 4) {
      float32x4_t v = vmulq_f32(vsubq_f32(vld1q_f32(x + i), means), factors);
      if (weight) v = vmulq_f32(v, vld1q_f32(weight + i));
      if (bias) v = vaddq_f32(v, vld1q_f32(bias + i));
      vst1q_f32(y + i, v);
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

static void rotate_halves(
    float *x, ptrdiff_t head_stride, ptrdiff_t heads, ptrdiff_t pairs, const float *cosines, const float *sines) {
  for (ptrdiff_t head = 0; head < heads; head++, x += head_stride) {
    ptrdiff_t i = 0;
    for (; i + 4 <= pairs; i += 4) {
      const float32x4_t a = vld1q_f32(x + i), b = vld1q_f32(x + i + pairs);
      const float32x4_t c = vld1q_f32(cosines + i), s = vld1q_f32(sines + i);
      vst1q_f32(x + i, vfmsq_f32(vmulq_f32(a, c), b, s));
      vst1q_f32(x + i + pairs, vfmaq_f32(vmulq_f32(b, c), a, s));
    }
    for (; i < pairs; i++) {
      const float a = x[i], b = x[i + pairs];
      x[i] = fmaf(b, -sines[i], a * cosines[i]);
      x[i + pairs] = fmaf(a, sines[i], b * cosines[i]);
    }
  }
}

static void rotate_pairs(
    float *x, ptrdiff_t head_stride, ptrdiff_t heads, ptrdiff_t pairs, const float *cosines, const float *sines) {
  for (ptrdiff_t head = 0; head < heads; head++, x += head_stride) {
    ptrdiff_t i = 0;
    for (; i + 4 <= pairs; i += 4) {
      const float32x4x2_t v = vld2q_f32(x + 2 * i);
      const float32x4_t c = vld1q_f32(cosines + i), s = vld1q_f32(sines + i);
      float32x4x2_t turned;
      turned.val[0] = vfmsq_f32(vmulq_f32(v.val[0], c), v.val[1], s);
      turned.val[1] = vfmaq_f32(vmulq_f32(v.val[1], c), v.val[0], s);
      vst2q_f32(x + 2 * i, turned);
    }
    for (; i < pairs; i++) {
      const float a = x[2 * i], b = x[2 * i + 1];
      x[2 * i] = fmaf(b, -sines[i], a * cosines[i]);
      x[2 * i + 1] = fmaf(a, sines[i], b * cosines[i]);
    }
  }
}

// MARK: - Element by element

BW_NEON_INLINE float32x4_t silu_4(float32x4_t x) {
  return vdivq_f32(x, vaddq_f32(vdupq_n_f32(1), bw_exp_4(vnegq_f32(x))));
}

static void silu_multiply(const float *gate, const float *up, float *out, ptrdiff_t count) {
  ptrdiff_t i = 0;
  for (; i + 4 <= count; i += 4) vst1q_f32(out + i, vmulq_f32(silu_4(vld1q_f32(gate + i)), vld1q_f32(up + i)));
  for (; i < count; i++) out[i] = bw_silu(gate[i]) * up[i];
}

static void add(const float *a, const float *b, float *out, ptrdiff_t count) {
  ptrdiff_t i = 0;
  for (; i + 4 <= count; i += 4) vst1q_f32(out + i, vaddq_f32(vld1q_f32(a + i), vld1q_f32(b + i)));
  for (; i < count; i++) out[i] = a[i] + b[i];
}

static void scale(const float *x, float factor, float *out, ptrdiff_t count) {
  const float32x4_t factors = vdupq_n_f32(factor);
  ptrdiff_t i = 0;
  for (; i + 4 <= count; i += 4) vst1q_f32(out + i, vmulq_f32(vld1q_f32(x + i), factors));
  for (; i < count; i++) out[i] = x[i] * factor;
}

static void soft_cap(const float *x, float cap, float *out, ptrdiff_t count) {
  const float32x4_t caps = vdupq_n_f32(cap);
  ptrdiff_t i = 0;
  for (; i + 4 <= count; i += 4) vst1q_f32(out + i, bw_soft_cap_4(vld1q_f32(x + i), caps));
  for (; i < count; i++) out[i] = bw_soft_cap(x[i], cap);
}

static void exponentials(const float *x, float shift, float factor, float *out, ptrdiff_t count) {
  const float32x4_t shifts = vdupq_n_f32(shift), factors = vdupq_n_f32(factor);
  ptrdiff_t i = 0;
  for (; i + 4 <= count; i += 4) {
    vst1q_f32(out + i, bw_exp_4(vmulq_f32(vsubq_f32(vld1q_f32(x + i), shifts), factors)));
  }
  for (; i < count; i++) out[i] = bw_exp((x[i] - shift) * factor);
}

// MARK: - Cache rows

BW_NEON_INLINE uint16x4_t to_bfloats(float32x4_t x) {
  const uint32x4_t u = vreinterpretq_u32_f32(x), upper = vshrq_n_u32(u, 16);
  const uint32x4_t odd = vandq_u32(upper, vdupq_n_u32(1));
  const uint32x4_t rounded = vshrq_n_u32(vaddq_u32(u, vaddq_u32(odd, vdupq_n_u32(0x7fff))), 16);
  const uint32x4_t is_number = vceqq_f32(x, x);
  return vmovn_u32(vbslq_u32(is_number, rounded, vorrq_u32(upper, vdupq_n_u32(0x40))));
}

static void encode_q8(const float *x, ptrdiff_t count, uint8_t *row) {
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

static void encode_row(int32_t format, const float *x, ptrdiff_t count, void *row) {
  uint8_t *bytes = (uint8_t *)row;
  uint16_t *halves = (uint16_t *)row;
  ptrdiff_t i = 0;
  switch (format) {
    case BW_F32: memcpy(bytes, x, (size_t)count * 4); break;
    case BW_F16:
      for (; i + 4 <= count; i += 4) vst1_u16(halves + i, vreinterpret_u16_f16(vcvt_f16_f32(vld1q_f32(x + i))));
      for (; i < count; i++) bw_store16(halves + i, bw_float_to_half(x[i]));
      break;
    case BW_BF16:
      for (; i + 4 <= count; i += 4) vst1_u16(halves + i, to_bfloats(vld1q_f32(x + i)));
      for (; i < count; i++) bw_store16(halves + i, bw_float_to_bfloat(x[i]));
      break;
    default: encode_q8(x, count, bytes); break;
  }
}

static void decode_row(int32_t format, const void *row, ptrdiff_t count, float *out) {
  const uint8_t *bytes = (const uint8_t *)row;
  ptrdiff_t i = 0;
  for (; i + 16 <= count; i += 16) bw_store_16(out + i, bw_load_cached(format, bytes, count, i));
  for (; i < count; i++) out[i] = bw_cache_element(format, bytes, count, i);
}

// MARK: - Logits

BW_NEON_INLINE int32_t index_of(const float *x, ptrdiff_t count, float value, ptrdiff_t skipped) {
  const float32x4_t wanted = vdupq_n_f32(value);
  for (ptrdiff_t start = 0; start < count; start += 16) {
    ptrdiff_t end = count;
    if (start + 16 <= count) {
      const bw_16 v = bw_load_16(x + start);
      const uint32x4_t near = vorrq_u32(vceqq_f32(v.part[0], wanted), vceqq_f32(v.part[1], wanted));
      const uint32x4_t far = vorrq_u32(vceqq_f32(v.part[2], wanted), vceqq_f32(v.part[3], wanted));
      if (vmaxvq_u32(vorrq_u32(near, far)) == 0) continue;
      end = start + 16;
    }
    for (ptrdiff_t i = start; i < end; i++) {
      if (x[i] == value && i != skipped) return (int32_t)i;
    }
  }
  return -1;
}

/// Pushes values through per-lane largest and second largest.
BW_NEON_INLINE void keep_top_two(float32x4_t x, float32x4_t *first, float32x4_t *second) {
  *second = vmaxq_f32(*second, vminq_f32(*first, x));
  *first = vmaxq_f32(*first, x);
}

BW_NEON_INLINE void add_exponentials(float32x4_t x, float32x4_t shift, float32x4_t *sum, float32x4_t *weighted) {
  const float32x4_t d = vsubq_f32(x, shift);
  const float32x4_t e = bw_exp_4(d);
  // An entry without weight counts nothing, even at a distance of minus infinity.
  const uint32x4_t counted = vandq_u32(vreinterpretq_u32_f32(d), vcgtq_f32(e, vdupq_n_f32(0)));
  *sum = vaddq_f32(*sum, e);
  *weighted = vfmaq_f32(*weighted, e, vreinterpretq_f32_u32(counted));
}

static void reduce_logits(const float *x, ptrdiff_t count, bw_logit_tile *result) {
  const float32x4_t infinity = vdupq_n_f32(INFINITY), lowest = vdupq_n_f32(-INFINITY);
  const ptrdiff_t whole = count / 16 * 16;
  const bw_16 end = bw_load_part(x + whole, count - whole, -INFINITY);
  bw_16 first = {{lowest, lowest, lowest, lowest}}, second = first;
  uint32x4_t valid = vdupq_n_u32(~0u);
  for (ptrdiff_t i = 0; i <= whole; i += 16) {
    const bw_16 v = i < whole ? bw_load_16(x + i) : end;
    BW_UNROLL
    for (int p = 0; p < 4; p++) {
      valid = vandq_u32(valid, vcltq_f32(v.part[p], infinity));
      keep_top_two(v.part[p], &first.part[p], &second.part[p]);
    }
  }
  if (vminvq_u32(valid) == 0) {
    *result = (bw_logit_tile){.top_index = -1, .second_index = -1, .invalid = 1};
    return;
  }
  float candidates[32];
  bw_store_16(candidates, first);
  bw_store_16(candidates + 16, second);
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
    const float32x4_t shift = vdupq_n_f32(r.top);
    bw_16 sums = bw_zero_16(), weighted = bw_zero_16();
    for (ptrdiff_t i = 0; i < count; i += 16) {
      const bw_16 v = i < whole ? bw_load_16(x + i) : end;
      BW_UNROLL
      for (int p = 0; p < 4; p++) add_exponentials(v.part[p], shift, &sums.part[p], &weighted.part[p]);
    }
    r.sum = bw_sum_16(sums);
    r.weighted = bw_sum_16(weighted);
  }
  *result = r;
}

const bw_kernels *bw_neon_table(void) {
  static const bw_kernels table = {
      .matmul = bw_neon_matmul,
      .has_product = bw_neon_has_product,
      .quantize_rows = quantize_rows,
      .rms_norm = rms_norm,
      .layer_norm = layer_norm,
      .rotate_halves = rotate_halves,
      .rotate_pairs = rotate_pairs,
      .silu_multiply = silu_multiply,
      .add = add,
      .scale = scale,
      .soft_cap = soft_cap,
      .exponentials = exponentials,
      .encode_row = encode_row,
      .decode_row = decode_row,
      .reduce_logits = reduce_logits,
      .attend = bw_neon_attend,
  };
  return &table;
}

#else
typedef int bw_neon_is_arm64_only;
#endif
