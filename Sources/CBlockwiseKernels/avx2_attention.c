// Two-pass attention with AVX2: vector lanes along the head dimension, keys one after another.
#if defined(__x86_64__)

#include "avx2.h"

#pragma STDC FP_CONTRACT OFF

/// 16 values of a cached row from element `start`, which lies in whole rows of 16.
BW_AVX2_INLINE bw_16 load_cached(int32_t format, const uint8_t *row, ptrdiff_t dimension, ptrdiff_t start) {
  switch (format) {
    case BW_F32: return bw_load_16((const float *)(const void *)row + start);
    case BW_F16: {
      const __m128i *halves = (const __m128i *)(const void *)(row + 2 * start);
      return (bw_16){_mm256_cvtph_ps(_mm_loadu_si128(halves)), _mm256_cvtph_ps(_mm_loadu_si128(halves + 1))};
    }
    case BW_BF16: {
      const __m128i *halves = (const __m128i *)(const void *)(row + 2 * start);
      const __m256i low = _mm256_slli_epi32(_mm256_cvtepu16_epi32(_mm_loadu_si128(halves)), 16);
      const __m256i high = _mm256_slli_epi32(_mm256_cvtepu16_epi32(_mm_loadu_si128(halves + 1)), 16);
      return (bw_16){_mm256_castsi256_ps(low), _mm256_castsi256_ps(high)};
    }
    default: {
      const ptrdiff_t groups = (dimension + BW_GROUP - 1) / BW_GROUP;
      const __m128i half = _mm_cvtsi32_si128(bw_load16(row + 2 * (start / BW_GROUP)));
      const __m256 scale = _mm256_broadcastss_ps(_mm_cvtph_ps(half));
      const __m128i bytes = _mm_loadu_si128((const __m128i *)(const void *)(row + 2 * groups + start));
      const __m256i low = _mm256_cvtepi8_epi32(bytes), high = _mm256_cvtepi8_epi32(_mm_srli_si128(bytes, 8));
      return (bw_16){
          _mm256_mul_ps(scale, _mm256_cvtepi32_ps(low)), _mm256_mul_ps(scale, _mm256_cvtepi32_ps(high))};
    }
  }
}

/// The ragged end of a cached row, zeros behind it.
BW_AVX2_INLINE bw_16 load_cached_part(int32_t format, const uint8_t *row, ptrdiff_t dimension, ptrdiff_t start) {
  float values[16];
  for (ptrdiff_t i = 0; i < 16; i++) {
    values[i] = start + i < dimension ? bw_cache_element(format, row, dimension, start + i) : 0;
  }
  return bw_load_16(values);
}

/// Scores of H query heads from `head`, before the soft cap.
BW_AVX2_INLINE void score_heads(
    int32_t format, int H, const bw_attention *job, ptrdiff_t head, ptrdiff_t visible) {
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
      __m256 sums[4][2];
      BW_UNROLL
      for (int h = 0; h < H; h++) sums[h][0] = sums[h][1] = _mm256_setzero_ps();
      for (ptrdiff_t d = 0; d < whole; d += 16) {
        const bw_16 k = load_cached(format, key, dimension, d);
        BW_UNROLL
        for (int h = 0; h < H; h++) {
          const float *query = queries + h * job->query_stride + d;
          sums[h][0] = _mm256_fmadd_ps(_mm256_loadu_ps(query), k.low, sums[h][0]);
          sums[h][1] = _mm256_fmadd_ps(_mm256_loadu_ps(query + 8), k.high, sums[h][1]);
        }
      }
      if (whole < dimension) {
        const bw_16 k = load_cached_part(format, key, dimension, whole);
        BW_UNROLL
        for (int h = 0; h < H; h++) {
          sums[h][0] = _mm256_fmadd_ps(_mm256_loadu_ps(ends[h]), k.low, sums[h][0]);
          sums[h][1] = _mm256_fmadd_ps(_mm256_loadu_ps(ends[h] + 8), k.high, sums[h][1]);
        }
      }
      BW_UNROLL
      for (int h = 0; h < H; h++) scores[h * visible + index] = bw_sum_16(sums[h][0], sums[h][1]) * job->scale;
    }
  }
}

/// Turns one head's scores into exp(score - max) and returns their sum in key order.
BW_AVX2_INLINE float weigh(const bw_attention *job, float *scores, ptrdiff_t visible) {
  const __m256 cap = _mm256_set1_ps(job->soft_cap);
  __m256 largest = _mm256_set1_ps(-INFINITY);
  const ptrdiff_t whole = visible / 8 * 8;
  float end[8];
  for (ptrdiff_t i = 0; i < 8; i++) end[i] = whole + i < visible ? scores[whole + i] : -INFINITY;
  for (ptrdiff_t i = 0; i <= whole; i += 8) {
    float *from = i < whole ? scores + i : end;
    __m256 s = _mm256_loadu_ps(from);
    if (job->soft_cap > 0) {
      s = bw_soft_cap_8(s, cap);
      _mm256_storeu_ps(from, s);
    }
    if (i < whole) largest = _mm256_max_ps(s, largest);
  }
  float lanes[8];
  _mm256_storeu_ps(lanes, largest);
  float maximum = -INFINITY;
  for (int i = 0; i < 8; i++) maximum = lanes[i] > maximum ? lanes[i] : maximum;
  for (ptrdiff_t i = whole; i < visible; i++) maximum = end[i - whole] > maximum ? end[i - whole] : maximum;
  const __m256 shift = _mm256_set1_ps(maximum);
  for (ptrdiff_t i = 0; i < whole; i += 8) {
    _mm256_storeu_ps(scores + i, bw_exp_8(_mm256_sub_ps(_mm256_loadu_ps(scores + i), shift)));
  }
  _mm256_storeu_ps(end, bw_exp_8(_mm256_sub_ps(_mm256_loadu_ps(end), shift)));
  for (ptrdiff_t i = whole; i < visible; i++) scores[i] = end[i - whole];
  float sum = 0;
  for (ptrdiff_t i = 0; i < visible; i++) sum += scores[i];
  return sum;
}

/// Elements [start, start + 16) of the outputs of H heads.
BW_AVX2_INLINE void mix_heads(
    int32_t format, int H, int is_part, const bw_attention *job, ptrdiff_t head, ptrdiff_t visible, ptrdiff_t start,
    const float *sums) {
  const ptrdiff_t dimension = job->head_dimension;
  const float *weights = job->scores + head * visible;
  __m256 totals[4][2];
  BW_UNROLL
  for (int h = 0; h < H; h++) totals[h][0] = totals[h][1] = _mm256_setzero_ps();
  ptrdiff_t index = 0;
  for (ptrdiff_t r = 0; r < job->run_count; r++) {
    for (ptrdiff_t i = 0; i < job->runs[r].count; i++, index++) {
      const uint8_t *value = bw_slot(job, job->value_offset, job->runs[r].start + i);
      const bw_16 v =
          is_part ? load_cached_part(format, value, dimension, start) : load_cached(format, value, dimension, start);
      BW_UNROLL
      for (int h = 0; h < H; h++) {
        const __m256 weight = _mm256_broadcast_ss(weights + h * visible + index);
        totals[h][0] = _mm256_fmadd_ps(weight, v.low, totals[h][0]);
        totals[h][1] = _mm256_fmadd_ps(weight, v.high, totals[h][1]);
      }
    }
  }
  BW_UNROLL
  for (int h = 0; h < H; h++) {
    const __m256 sum = _mm256_set1_ps(sums[h]);
    const bw_16 result = {_mm256_div_ps(totals[h][0], sum), _mm256_div_ps(totals[h][1], sum)};
    float *output = job->output + (head + h) * job->output_stride + start;
    if (is_part) {
      bw_store_part(output, dimension - start, result);
    } else {
      bw_store_16(output, result);
    }
  }
}

BW_AVX2_INLINE void attend_heads(
    int32_t format, int H, const bw_attention *job, ptrdiff_t head, ptrdiff_t visible) {
  const ptrdiff_t dimension = job->head_dimension;
  score_heads(format, H, job, head, visible);
  float sums[4];
  for (int h = 0; h < H; h++) sums[h] = weigh(job, job->scores + (head + h) * visible, visible);
  ptrdiff_t start = 0;
  for (; start + 16 <= dimension; start += 16) mix_heads(format, H, 0, job, head, visible, start, sums);
  if (start < dimension) mix_heads(format, H, 1, job, head, visible, start, sums);
}

BW_AVX2_INLINE void attend_format(int32_t format, const bw_attention *job, ptrdiff_t visible) {
  ptrdiff_t head = 0;
  for (; head + 4 <= job->query_count; head += 4) attend_heads(format, 4, job, head, visible);
  switch (job->query_count - head) {
    case 3: attend_heads(format, 3, job, head, visible); break;
    case 2: attend_heads(format, 2, job, head, visible); break;
    case 1: attend_heads(format, 1, job, head, visible); break;
    default: break;
  }
}

BW_AVX2 void attend_f32(const bw_attention *job, ptrdiff_t visible) { attend_format(BW_F32, job, visible); }
BW_AVX2 void attend_f16(const bw_attention *job, ptrdiff_t visible) { attend_format(BW_F16, job, visible); }
BW_AVX2 void attend_bf16(const bw_attention *job, ptrdiff_t visible) { attend_format(BW_BF16, job, visible); }
BW_AVX2 void attend_q8(const bw_attention *job, ptrdiff_t visible) { attend_format(BW_Q8_0, job, visible); }

void bw_avx2_attend(const bw_attention *job) {
  const ptrdiff_t visible = bw_visible_count(job);
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

#else
typedef int bw_avx2_attention_is_x86_only;
#endif
