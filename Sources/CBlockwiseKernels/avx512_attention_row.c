// Attention of one row of a few heads with AVX-512: no other row shares its keys, so nothing is arranged for others.
//
// A key's products with a query stay in 16 lanes; sixteen such vectors are added up together, which gives the scores of 16
// keys of one head, of 8 of two or of 4 of four. Scores lie side by side as [key][heads, as a power of two].
#if defined(__x86_64__)

#include "avx512_attention.h"

#pragma STDC FP_CONTRACT OFF

enum { BLOCK_KEYS = 64 };

/// Where a row stands in its list of slots.
typedef struct {
  const bw_row_attention *job;
  ptrdiff_t run, offset;
} cursor;

/// Addresses of the next keys or values, BLOCK_KEYS at most; returns how many.
static ptrdiff_t take(cursor *from, ptrdiff_t offset, const uint8_t **rows) {
  const bw_row_attention *job = from->job;
  ptrdiff_t count = 0;
  while (count < BLOCK_KEYS && from->run < job->run_count) {
    const bw_run run = job->runs[from->run];
    const ptrdiff_t slot = run.start + from->offset, left_of_page = BW_PAGE_SLOTS - slot % BW_PAGE_SLOTS;
    ptrdiff_t together = run.count - from->offset;
    if (together > left_of_page) together = left_of_page;
    if (together > BLOCK_KEYS - count) together = BLOCK_KEYS - count;
    const uint8_t *row = together > 0 ? bw_slot(job, offset, slot) : NULL;
    for (ptrdiff_t i = 0; i < together; i++) rows[count + i] = row + i * job->row_bytes;
    count += together;
    from->offset += together;
    if (from->offset == run.count) *from = (cursor){job, from->run + 1, 0};
  }
  return count;
}

/// The sums of the lanes of sixteen vectors, in the order of bw_sum_lanes.
BW_AVX512_INLINE __m512 sum_each(const __m512 v[16]) {
  __m512 eights[8], quads[4];
  BW_UNROLL
  for (int i = 0; i < 8; i++) {
    // Vectors i and i + 4 of each half of the sixteen.
    const __m512 a = v[i / 4 * 8 + i % 4], b = v[i / 4 * 8 + i % 4 + 4];
    eights[i] = _mm512_add_ps(_mm512_shuffle_f32x4(a, b, 0x44), _mm512_shuffle_f32x4(a, b, 0xee));
  }
  BW_UNROLL
  for (int i = 0; i < 4; i++) {
    const __m512 a = eights[i], b = eights[i + 4];
    quads[i] = _mm512_add_ps(_mm512_shuffle_f32x4(a, b, 0x88), _mm512_shuffle_f32x4(a, b, 0xdd));
  }
  return bw_sum_quads(quads[0], quads[1], quads[2], quads[3]);
}

/// Scores of H heads, W side by side, and the largest of each in all lanes that are the head's.
BW_AVX512_INLINE __m512 score_heads(int32_t format, int H, int W, const bw_row_attention *job) {
  enum { LANES = 16 };
  const int K = LANES / W;
  const ptrdiff_t dimension = job->head_dimension;
  const __m512 factor = _mm512_set1_ps(job->scale), cap = _mm512_set1_ps(job->soft_cap);
  __m512 largest = _mm512_set1_ps(-INFINITY);
  float *scores = job->scores;
  const uint8_t *keys[BLOCK_KEYS];
  cursor from = {job, 0, 0};
  for (ptrdiff_t count; (count = take(&from, job->key_offset, keys)) > 0;) {
    for (ptrdiff_t i = count; i % K != 0; i++) keys[i] = keys[count - 1];
    for (ptrdiff_t k = 0; k < count; k += K, scores += LANES) {
      __m512 sums[LANES];
      BW_UNROLL
      for (int i = 0; i < LANES; i++) sums[i] = _mm512_setzero_ps();
      ptrdiff_t start = 0;
      BW_ROLLED
      for (; start + 16 <= dimension; start += 16) {
        __m512 queries[4];
        BW_UNROLL
        for (int h = 0; h < H; h++) queries[h] = _mm512_loadu_ps(job->queries + h * job->query_stride + start);
        BW_UNROLL
        for (int i = 0; i < K; i++) {
          const __m512 key = bw_load_cached(format, 0, keys[k + i], dimension, start);
          BW_UNROLL
          for (int h = 0; h < H; h++) sums[W * i + h] = _mm512_fmadd_ps(queries[h], key, sums[W * i + h]);
        }
      }
      if (start < dimension) {
        const __mmask16 mask = bw_first_lanes(dimension - start);
        BW_UNROLL
        for (int i = 0; i < K; i++) {
          const __m512 key = bw_load_cached(format, 1, keys[k + i], dimension, start);
          BW_UNROLL
          for (int h = 0; h < H; h++) {
            const __m512 query = _mm512_maskz_loadu_ps(mask, job->queries + h * job->query_stride + start);
            sums[W * i + h] = _mm512_fmadd_ps(query, key, sums[W * i + h]);
          }
        }
      }
      __m512 score = _mm512_mul_ps(sum_each(sums), factor);
      if (job->soft_cap > 0) score = bw_soft_cap_16(score, cap);
      score = _mm512_mask_mov_ps(_mm512_set1_ps(-INFINITY), bw_first_lanes(W * (count - k)), score);
      // max returns its second operand when one is NaN.
      largest = _mm512_max_ps(score, largest);
      _mm512_storeu_ps(scores, score);
    }
  }
  largest = _mm512_max_ps(largest, _mm512_shuffle_f32x4(largest, largest, 0x4e));
  largest = _mm512_max_ps(largest, _mm512_shuffle_f32x4(largest, largest, 0xb1));
  if (W < 4) largest = _mm512_max_ps(largest, _mm512_permute_ps(largest, 0x4e));
  if (W < 2) largest = _mm512_max_ps(largest, _mm512_permute_ps(largest, 0xb1));
  return largest;
}

/// C chunks of 16 elements of the outputs of H heads, from element `start`; with the first come the sums of the weights.
BW_AVX512_INLINE __m128 mix_chunks(
    int32_t format, int H, int W, int C, int is_part, const bw_row_attention *job, ptrdiff_t start, __m128 weight_sums) {
  const ptrdiff_t dimension = job->head_dimension;
  const float *weights = job->scores;
  __m512 totals[4][4];
  BW_UNROLL
  for (int h = 0; h < H; h++) {
    BW_UNROLL
    for (int c = 0; c < C; c++) totals[h][c] = _mm512_setzero_ps();
  }
  // A sum waits for the one before it, as every total does: so they are added up side by side.
  __m128 sums = _mm_setzero_ps();
  const uint8_t *values[BLOCK_KEYS];
  cursor from = {job, 0, 0};
  for (ptrdiff_t count; (count = take(&from, job->value_offset, values)) > 0;) {
    BW_ROLLED
    for (ptrdiff_t k = 0; k < count; k++, weights += W) {
      sums = _mm_add_ps(sums, _mm_loadu_ps(weights));
      __m512 value[4];
      BW_UNROLL
      for (int c = 0; c < C; c++) value[c] = bw_load_cached(format, is_part, values[k], dimension, start + 16 * c);
      BW_UNROLL
      for (int h = 0; h < H; h++) {
        const __m512 weight = _mm512_set1_ps(weights[h]);
        BW_UNROLL
        for (int c = 0; c < C; c++) totals[h][c] = _mm512_fmadd_ps(weight, value[c], totals[h][c]);
      }
    }
  }
  if (start == 0) weight_sums = sums;
  float divisors[4];
  _mm_storeu_ps(divisors, weight_sums);
  BW_UNROLL
  for (int h = 0; h < H; h++) {
    const __m512 divisor = _mm512_set1_ps(divisors[h]);
    BW_UNROLL
    for (int c = 0; c < C; c++) {
      const ptrdiff_t element = start + 16 * c;
      _mm512_mask_storeu_ps(
          job->output + h * job->output_stride + element, bw_first_lanes(dimension - element),
          _mm512_div_ps(totals[h][c], divisor));
    }
  }
  return weight_sums;
}

BW_AVX512_INLINE void attend_heads(int32_t format, int H, int W, const bw_row_attention *job, ptrdiff_t visible) {
  const __m512 largest = score_heads(format, H, W, job);
  for (ptrdiff_t i = 0; i < W * visible; i += 16) {
    const __m512 score = _mm512_loadu_ps(job->scores + i);
    _mm512_storeu_ps(job->scores + i, bw_exp_16(_mm512_sub_ps(score, largest)));
  }
  const ptrdiff_t dimension = job->head_dimension;
  __m128 sums = _mm_setzero_ps();
  ptrdiff_t start = 0;
  for (; start + 64 <= dimension; start += 64) sums = mix_chunks(format, H, W, 4, 0, job, start, sums);
  if (start + 32 <= dimension) {
    sums = mix_chunks(format, H, W, 2, 0, job, start, sums);
    start += 32;
  }
  if (start + 16 <= dimension) {
    sums = mix_chunks(format, H, W, 1, 0, job, start, sums);
    start += 16;
  }
  if (start < dimension) mix_chunks(format, H, W, 1, 1, job, start, sums);
}

BW_AVX512_INLINE void attend_format(int32_t format, const bw_row_attention *row, ptrdiff_t visible) {
  for (ptrdiff_t head = 0; head < row->query_count; head += 4) {
    bw_row_attention part = *row;
    part.queries += head * row->query_stride;
    part.output += head * row->output_stride;
    switch (row->query_count - head) {
      case 1: attend_heads(format, 1, 1, &part, visible); break;
      case 2: attend_heads(format, 2, 2, &part, visible); break;
      case 3: attend_heads(format, 3, 4, &part, visible); break;
      default: attend_heads(format, 4, 4, &part, visible); break;
    }
  }
}

BW_AVX512 void attend_f32(const bw_row_attention *row, ptrdiff_t visible) { attend_format(BW_F32, row, visible); }
BW_AVX512 void attend_f16(const bw_row_attention *row, ptrdiff_t visible) { attend_format(BW_F16, row, visible); }
BW_AVX512 void attend_bf16(const bw_row_attention *row, ptrdiff_t visible) { attend_format(BW_BF16, row, visible); }
BW_AVX512 void attend_q8(const bw_row_attention *row, ptrdiff_t visible) { attend_format(BW_Q8_0, row, visible); }

void bw_avx512_attend_row(const bw_row_attention *row) {
  const ptrdiff_t visible = bw_visible_count(row->runs, row->run_count);
  if (visible == 0) {
    for (ptrdiff_t head = 0; head < row->query_count; head++) {
      memset(row->output + head * row->output_stride, 0, (size_t)row->head_dimension * 4);
    }
    return;
  }
  switch (row->format) {
    case BW_F32: attend_f32(row, visible); break;
    case BW_F16: attend_f16(row, visible); break;
    case BW_BF16: attend_bf16(row, visible); break;
    default: attend_q8(row, visible); break;
  }
}

#else
typedef int bw_avx512_attention_row_is_x86_only;
#endif
