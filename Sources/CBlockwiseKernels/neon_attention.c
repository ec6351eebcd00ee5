// Two-pass attention with NEON: vector lanes along the head dimension, keys one after another.
#if defined(__aarch64__)

#include "attention.h"
#include "neon.h"

#pragma STDC FP_CONTRACT OFF

/// The ragged end of a cached row, zeros behind it.
BW_NEON_INLINE bw_16 load_cached_part(int32_t format, const uint8_t *row, ptrdiff_t dimension, ptrdiff_t start) {
  float values[16];
  for (ptrdiff_t i = 0; i < 16; i++) {
    values[i] = start + i < dimension ? bw_cache_element(format, row, dimension, start + i) : 0;
  }
  return bw_load_16(values);
}

/// sums += a · b.
BW_NEON_INLINE void add_products(bw_16 a, bw_16 b, bw_16 *sums) {
  BW_UNROLL
  for (int p = 0; p < 4; p++) sums->part[p] = vfmaq_f32(sums->part[p], a.part[p], b.part[p]);
}

/// Scores of H query heads from `head`, before the soft cap.
BW_NEON_INLINE void score_heads(
    int32_t format, int H, const bw_row_attention *job, ptrdiff_t head, ptrdiff_t visible) {
  const ptrdiff_t dimension = job->head_dimension;
  const ptrdiff_t whole = dimension / 16 * 16;
  const float *queries = job->queries + head * job->query_stride;
  float *scores = job->scores + head * visible;
  float ends[4][16];
  for (int h = 0; h < H; h++) {
    for (ptrdiff_t i = 0; i < 16; i++) {
      ends[h][i] = whole + i < dimension ? queries[h * job->query_stride + whole + i] : 0;
    }
  }
  ptrdiff_t index = 0;
  for (ptrdiff_t r = 0; r < job->run_count; r++) {
    for (ptrdiff_t i = 0; i < job->runs[r].count; i++, index++) {
      const uint8_t *key = bw_slot(job, job->key_offset, job->runs[r].start + i);
      bw_16 sums[4];
      BW_UNROLL
      for (int h = 0; h < H; h++) sums[h] = bw_zero_16();
      for (ptrdiff_t d = 0; d < whole; d += 16) {
        const bw_16 k = bw_load_cached(format, key, dimension, d);
        BW_UNROLL
        for (int h = 0; h < H; h++) add_products(bw_load_16(queries + h * job->query_stride + d), k, &sums[h]);
      }
      if (whole < dimension) {
        const bw_16 k = load_cached_part(format, key, dimension, whole);
        BW_UNROLL
        for (int h = 0; h < H; h++) add_products(bw_load_16(ends[h]), k, &sums[h]);
      }
      BW_UNROLL
      for (int h = 0; h < H; h++) scores[h * visible + index] = bw_sum_16(sums[h]) * job->scale;
    }
  }
}

/// Turns one head's scores into exp(score - max) and returns their sum in key order.
BW_NEON_INLINE float weigh(const bw_row_attention *job, float *scores, ptrdiff_t visible) {
  const float32x4_t cap = vdupq_n_f32(job->soft_cap);
  const ptrdiff_t whole = visible / 4 * 4;
  // Behind the last score, minus infinity: no maximum, and a weight of zero that is not stored.
  float end[4];
  for (ptrdiff_t i = 0; i < 4; i++) end[i] = whole + i < visible ? scores[whole + i] : -INFINITY;
  if (job->soft_cap > 0) {
    for (ptrdiff_t i = 0; i < whole; i += 4) vst1q_f32(scores + i, bw_soft_cap_4(vld1q_f32(scores + i), cap));
    vst1q_f32(end, bw_soft_cap_4(vld1q_f32(end), cap));
  }
  // The maximum passes over NaN, as a comparison does.
  float32x4_t largest = vdupq_n_f32(-INFINITY);
  for (ptrdiff_t i = 0; i < whole; i += 4) largest = vmaxnmq_f32(largest, vld1q_f32(scores + i));
  float maximum = vmaxnmvq_f32(largest);
  for (ptrdiff_t i = whole; i < visible; i++) maximum = end[i - whole] > maximum ? end[i - whole] : maximum;
  const float32x4_t shift = vdupq_n_f32(maximum);
  for (ptrdiff_t i = 0; i < whole; i += 4) {
    vst1q_f32(scores + i, bw_exp_4(vsubq_f32(vld1q_f32(scores + i), shift)));
  }
  vst1q_f32(end, bw_exp_4(vsubq_f32(vld1q_f32(end), shift)));
  for (ptrdiff_t i = whole; i < visible; i++) scores[i] = end[i - whole];
  float sum = 0;
  for (ptrdiff_t i = 0; i < visible; i++) sum += scores[i];
  return sum;
}

/// Elements [start, start + 16) of the outputs of H heads.
BW_NEON_INLINE void mix_heads(
    int32_t format, int H, int is_part, const bw_row_attention *job, ptrdiff_t head, ptrdiff_t visible, ptrdiff_t start,
    const float *sums) {
  const ptrdiff_t dimension = job->head_dimension;
  const float *weights = job->scores + head * visible;
  bw_16 totals[4];
  BW_UNROLL
  for (int h = 0; h < H; h++) totals[h] = bw_zero_16();
  ptrdiff_t index = 0;
  for (ptrdiff_t r = 0; r < job->run_count; r++) {
    for (ptrdiff_t i = 0; i < job->runs[r].count; i++, index++) {
      const uint8_t *value = bw_slot(job, job->value_offset, job->runs[r].start + i);
      const bw_16 v = is_part ? load_cached_part(format, value, dimension, start)
                              : bw_load_cached(format, value, dimension, start);
      BW_UNROLL
      for (int h = 0; h < H; h++) {
        const float32x4_t weight = vdupq_n_f32(weights[h * visible + index]);
        add_products((bw_16){{weight, weight, weight, weight}}, v, &totals[h]);
      }
    }
  }
  BW_UNROLL
  for (int h = 0; h < H; h++) {
    const float32x4_t sum = vdupq_n_f32(sums[h]);
    bw_16 result;
    BW_UNROLL
    for (int p = 0; p < 4; p++) result.part[p] = vdivq_f32(totals[h].part[p], sum);
    float *output = job->output + (head + h) * job->output_stride + start;
    if (is_part) {
      bw_store_part(output, dimension - start, result);
    } else {
      bw_store_16(output, result);
    }
  }
}

BW_NEON_INLINE void attend_heads(
    int32_t format, int H, const bw_row_attention *job, ptrdiff_t head, ptrdiff_t visible) {
  const ptrdiff_t dimension = job->head_dimension;
  score_heads(format, H, job, head, visible);
  float sums[4];
  for (int h = 0; h < H; h++) sums[h] = weigh(job, job->scores + (head + h) * visible, visible);
  ptrdiff_t start = 0;
  for (; start + 16 <= dimension; start += 16) mix_heads(format, H, 0, job, head, visible, start, sums);
  if (start < dimension) mix_heads(format, H, 1, job, head, visible, start, sums);
}

BW_NEON_INLINE void attend_format(int32_t format, const bw_row_attention *job, ptrdiff_t visible) {
  ptrdiff_t head = 0;
  for (; head + 4 <= job->query_count; head += 4) attend_heads(format, 4, job, head, visible);
  switch (job->query_count - head) {
    case 3: attend_heads(format, 3, job, head, visible); break;
    case 2: attend_heads(format, 2, job, head, visible); break;
    case 1: attend_heads(format, 1, job, head, visible); break;
    default: break;
  }
}

static void attend_f32(const bw_row_attention *job, ptrdiff_t visible) { attend_format(BW_F32, job, visible); }
static void attend_f16(const bw_row_attention *job, ptrdiff_t visible) { attend_format(BW_F16, job, visible); }
static void attend_bf16(const bw_row_attention *job, ptrdiff_t visible) { attend_format(BW_BF16, job, visible); }
static void attend_q8(const bw_row_attention *job, ptrdiff_t visible) { attend_format(BW_Q8_0, job, visible); }

static void attend_row(const bw_row_attention *job) {
  const ptrdiff_t visible = bw_visible_count(job->runs, job->run_count);
  if (visible == 0) {
    for (ptrdiff_t head = 0; head < job->query_count; head++) {
      memset(job->output + head * job->output_stride, 0, (size_t)job->head_dimension * 4);
    }
    return;
  }
  switch (job->format) {
    case BW_F32: attend_f32(job, visible); break;
    case BW_F16: attend_f16(job, visible); break;
    case BW_BF16: attend_bf16(job, visible); break;
    default: attend_q8(job, visible); break;
  }
}

void bw_neon_attend(const bw_attention *job) { bw_attend_each_row(job, attend_row); }

#else
typedef int bw_neon_attention_is_arm64_only;
#endif
