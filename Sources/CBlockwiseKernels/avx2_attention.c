// Attention with AVX2: rows by themselves, with vector lanes along the head dimension and keys one after another, and the
// steps of tiles. There a vector of arranged keys holds four neighbouring elements of two keys, so that lane sums end in
// additions of whole vectors, and the sums of four queries in one vector of scores, [key][query].
#if defined(__x86_64__)

#include "attention.h"
#include "avx2.h"

#pragma STDC FP_CONTRACT OFF

// MARK: Cached rows

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

// MARK: A row by itself

/// Scores of H query heads from `head`, before the soft cap.
BW_AVX2_INLINE void score_heads(
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
BW_AVX2_INLINE float weigh_head(const bw_row_attention *job, float *scores, ptrdiff_t visible) {
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
    int32_t format, int H, int is_part, const bw_row_attention *job, ptrdiff_t head, ptrdiff_t visible, ptrdiff_t start,
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
    int32_t format, int H, const bw_row_attention *job, ptrdiff_t head, ptrdiff_t visible) {
  const ptrdiff_t dimension = job->head_dimension;
  score_heads(format, H, job, head, visible);
  float sums[4];
  for (int h = 0; h < H; h++) sums[h] = weigh_head(job, job->scores + (head + h) * visible, visible);
  ptrdiff_t start = 0;
  for (; start + 16 <= dimension; start += 16) mix_heads(format, H, 0, job, head, visible, start, sums);
  if (start < dimension) mix_heads(format, H, 1, job, head, visible, start, sums);
}

BW_AVX2_INLINE void attend_format(int32_t format, const bw_row_attention *job, ptrdiff_t visible) {
  ptrdiff_t head = 0;
  for (; head + 4 <= job->query_count; head += 4) attend_heads(format, 4, job, head, visible);
  switch (job->query_count - head) {
    case 3: attend_heads(format, 3, job, head, visible); break;
    case 2: attend_heads(format, 2, job, head, visible); break;
    case 1: attend_heads(format, 1, job, head, visible); break;
    default: break;
  }
}

BW_AVX2 void attend_f32(const bw_row_attention *job, ptrdiff_t visible) { attend_format(BW_F32, job, visible); }
BW_AVX2 void attend_f16(const bw_row_attention *job, ptrdiff_t visible) { attend_format(BW_F16, job, visible); }
BW_AVX2 void attend_bf16(const bw_row_attention *job, ptrdiff_t visible) { attend_format(BW_BF16, job, visible); }
BW_AVX2 void attend_q8(const bw_row_attention *job, ptrdiff_t visible) { attend_format(BW_Q8_0, job, visible); }

void bw_avx2_attend_row(const bw_row_attention *job) {
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

// MARK: Tiles

/// Vectors of elements 0–3, 4–7, 8–11 and 12–15 of two keys.
BW_AVX2_INLINE void store_quarters(bw_16 a, bw_16 b, float *out) {
  _mm256_storeu_ps(out, _mm256_permute2f128_ps(a.low, b.low, 0x20));
  _mm256_storeu_ps(out + 8, _mm256_permute2f128_ps(a.low, b.low, 0x31));
  _mm256_storeu_ps(out + 16, _mm256_permute2f128_ps(a.high, b.high, 0x20));
  _mm256_storeu_ps(out + 24, _mm256_permute2f128_ps(a.high, b.high, 0x31));
}

BW_AVX2_INLINE void arrange_format(
    int32_t format, ptrdiff_t dimension, const uint8_t *const *keys, ptrdiff_t count, float *arranged) {
  for (ptrdiff_t k = 0; k < count; k += 2) {
    ptrdiff_t start = 0;
    for (; start + 16 <= dimension; start += 16, arranged += 32) {
      store_quarters(
          load_cached(format, keys[k], dimension, start), load_cached(format, keys[k + 1], dimension, start), arranged);
    }
    if (start < dimension) {
      store_quarters(
          load_cached_part(format, keys[k], dimension, start),
          load_cached_part(format, keys[k + 1], dimension, start), arranged);
      arranged += 32;
    }
  }
}

BW_AVX2 void arrange_keys(
    int32_t format, ptrdiff_t dimension, const uint8_t *const *keys, ptrdiff_t count, float *arranged) {
  switch (format) {
    case BW_F32: arrange_format(BW_F32, dimension, keys, count, arranged); break;
    case BW_F16: arrange_format(BW_F16, dimension, keys, count, arranged); break;
    case BW_BF16: arrange_format(BW_BF16, dimension, keys, count, arranged); break;
    default: arrange_format(BW_Q8_0, dimension, keys, count, arranged); break;
  }
}

BW_AVX2_INLINE void widen_format(
    int32_t format, ptrdiff_t dimension, const uint8_t *const *values, ptrdiff_t count, float *widened) {
  for (ptrdiff_t k = 0; k < count; k++) {
    ptrdiff_t start = 0;
    for (; start + 16 <= dimension; start += 16, widened += 16) {
      bw_store_16(widened, load_cached(format, values[k], dimension, start));
    }
    if (start < dimension) {
      bw_store_16(widened, load_cached_part(format, values[k], dimension, start));
      widened += 16;
    }
  }
}

BW_AVX2 void widen_values(
    int32_t format, ptrdiff_t dimension, const uint8_t *const *values, ptrdiff_t count, float *widened) {
  switch (format) {
    case BW_F32: widen_format(BW_F32, dimension, values, count, widened); break;
    case BW_F16: widen_format(BW_F16, dimension, values, count, widened); break;
    case BW_BF16: widen_format(BW_BF16, dimension, values, count, widened); break;
    default: widen_format(BW_Q8_0, dimension, values, count, widened); break;
  }
}

BW_AVX2 void pack_query(const float *query, ptrdiff_t dimension, float *packed) {
  const ptrdiff_t whole = dimension / 16 * 16;
  for (ptrdiff_t i = 0; i < whole; i += 4, packed += 8 * BW_LANES) {
    _mm256_storeu_ps(packed, _mm256_broadcast_ps((const __m128 *)(const void *)(query + i)));
  }
  if (whole == dimension) return;
  float end[16] = {0};
  memcpy(end, query + whole, (size_t)(dimension - whole) * 4);
  for (ptrdiff_t i = 0; i < 16; i += 4, packed += 8 * BW_LANES) {
    _mm256_storeu_ps(packed, _mm256_broadcast_ps((const __m128 *)(const void *)(end + i)));
  }
}

/// The last two additions of bw_sum_lanes for four queries and two keys: from [key][element] to [key][query].
BW_AVX2_INLINE __m256 sum_quads(__m256 a, __m256 b, __m256 c, __m256 d) {
  const __m256 ac = _mm256_add_ps(_mm256_blend_ps(a, c, 0xcc), _mm256_shuffle_ps(a, c, 0x4e));
  const __m256 bd = _mm256_add_ps(_mm256_blend_ps(b, d, 0xcc), _mm256_shuffle_ps(b, d, 0x4e));
  const __m256 other = _mm256_permute_ps(_mm256_blend_ps(bd, ac, 0xaa), 0xb1);
  return _mm256_add_ps(_mm256_blend_ps(ac, bd, 0xaa), other);
}

/// Lane sums of L queries and two vectors of two keys, down to four of each.
BW_AVX2_INLINE void quads_of(
    int L, const float *first, const float *second, ptrdiff_t chunks, const float *queries, __m256 quads[2][2]) {
  BW_UNROLL
  for (int half = 0; half < 2; half++) {
    // Lane sums i and i + 8, for i from 0 to 3, then from 4 to 7.
    __m256 sums[2][2][2];
    BW_UNROLL
    for (int l = 0; l < L; l++) {
      sums[0][l][0] = sums[0][l][1] = sums[1][l][0] = sums[1][l][1] = _mm256_setzero_ps();
    }
    BW_ROLLED
    for (ptrdiff_t c = 0; c < chunks; c++) {
      BW_UNROLL
      for (int upper = 0; upper < 2; upper++) {
        const ptrdiff_t quarter = 4 * c + half + 2 * upper;
        const __m256 x = _mm256_loadu_ps(first + 8 * quarter), y = _mm256_loadu_ps(second + 8 * quarter);
        BW_UNROLL
        for (int l = 0; l < L; l++) {
          const __m256 query = _mm256_loadu_ps(queries + 8 * (BW_LANES * quarter + l));
          sums[0][l][upper] = _mm256_fmadd_ps(query, x, sums[0][l][upper]);
          sums[1][l][upper] = _mm256_fmadd_ps(query, y, sums[1][l][upper]);
        }
      }
    }
    BW_UNROLL
    for (int i = 0; i < 2; i++) {
      BW_UNROLL
      for (int l = 0; l < L; l++) {
        const __m256 sum = _mm256_add_ps(sums[i][l][0], sums[i][l][1]);
        quads[i][l] = half ? _mm256_add_ps(quads[i][l], sum) : sum;
      }
    }
  }
}

/// L queries and two vectors of two keys at a time.
BW_AVX2_INLINE void score_lanes(
    int L, const float *arranged, ptrdiff_t count, ptrdiff_t chunks, const float *queries, float scale, float soft_cap,
    float *scores) {
  const __m256 factor = _mm256_set1_ps(scale), cap = _mm256_set1_ps(soft_cap);
  for (ptrdiff_t k = 0; k < count; k += 4, scores += 16) {
    const float *first = arranged + k * 16 * chunks, *second = first + 32 * chunks;
    __m256 lower[2][2], upper[2][2];
    lower[0][0] = lower[0][1] = lower[1][0] = lower[1][1] = _mm256_setzero_ps();
    upper[0][0] = upper[0][1] = upper[1][0] = upper[1][1] = _mm256_setzero_ps();
    quads_of(L < 2 ? L : 2, first, second, chunks, queries, lower);
    if (L > 2) quads_of(L - 2, first, second, chunks, queries + 16, upper);
    BW_UNROLL
    for (int i = 0; i < 2; i++) {
      __m256 s = _mm256_mul_ps(sum_quads(lower[i][0], lower[i][1], upper[i][0], upper[i][1]), factor);
      if (soft_cap > 0) s = bw_soft_cap_8(s, cap);
      _mm256_storeu_ps(scores + 8 * i, s);
    }
  }
}

BW_AVX2 void score(
    int lanes, const float *arranged, ptrdiff_t count, ptrdiff_t chunks, const float *queries, float scale,
    float soft_cap, float *scores) {
  switch (lanes) {
    case 1: score_lanes(1, arranged, count, chunks, queries, scale, soft_cap, scores); break;
    case 2: score_lanes(2, arranged, count, chunks, queries, scale, soft_cap, scores); break;
    case 3: score_lanes(3, arranged, count, chunks, queries, scale, soft_cap, scores); break;
    default: score_lanes(4, arranged, count, chunks, queries, scale, soft_cap, scores); break;
  }
}

BW_AVX2 void weigh(float *scores, ptrdiff_t count, float *sums) {
  const ptrdiff_t end = BW_LANES * count;
  __m256 largest = _mm256_set1_ps(-INFINITY);
  for (ptrdiff_t i = 0; i < end; i += 8) largest = _mm256_max_ps(_mm256_loadu_ps(scores + i), largest);
  largest = _mm256_max_ps(largest, _mm256_permute2f128_ps(largest, largest, 1));
  __m128 sum = _mm_setzero_ps();
  for (ptrdiff_t i = 0; i < end; i += 8) {
    const __m256 weights = bw_exp_8(_mm256_sub_ps(_mm256_loadu_ps(scores + i), largest));
    _mm256_storeu_ps(scores + i, weights);
    sum = _mm_add_ps(sum, _mm256_castps256_ps128(weights));
    sum = _mm_add_ps(sum, _mm256_extractf128_ps(weights, 1));
  }
  _mm_storeu_ps(sums, sum);
}

BW_AVX2_INLINE void mix_lanes(
    int L, const float *widened, ptrdiff_t count, ptrdiff_t chunks, const float *weights, float *totals) {
  for (ptrdiff_t c = 0; c < chunks; c++, widened += 16, totals += 16) {
    __m256 sums[4][2];
    BW_UNROLL
    for (int l = 0; l < L; l++) {
      sums[l][0] = _mm256_loadu_ps(totals + 16 * l * chunks);
      sums[l][1] = _mm256_loadu_ps(totals + 16 * l * chunks + 8);
    }
    BW_ROLLED
    for (ptrdiff_t k = 0; k < count; k++) {
      const bw_16 value = bw_load_16(widened + k * 16 * chunks);
      BW_UNROLL
      for (int l = 0; l < L; l++) {
        const __m256 weight = _mm256_broadcast_ss(weights + BW_LANES * k + l);
        sums[l][0] = _mm256_fmadd_ps(weight, value.low, sums[l][0]);
        sums[l][1] = _mm256_fmadd_ps(weight, value.high, sums[l][1]);
      }
    }
    BW_UNROLL
    for (int l = 0; l < L; l++) bw_store_16(totals + 16 * l * chunks, (bw_16){sums[l][0], sums[l][1]});
  }
}

BW_AVX2 void mix(
    int lanes, const float *widened, ptrdiff_t count, ptrdiff_t chunks, const float *weights, float *totals) {
  switch (lanes) {
    case 1: mix_lanes(1, widened, count, chunks, weights, totals); break;
    case 2: mix_lanes(2, widened, count, chunks, weights, totals); break;
    case 3: mix_lanes(3, widened, count, chunks, weights, totals); break;
    default: mix_lanes(4, widened, count, chunks, weights, totals); break;
  }
}

BW_AVX2 void divide(const float *total, float sum, ptrdiff_t dimension, float *output) {
  const __m256 divisor = _mm256_set1_ps(sum);
  for (ptrdiff_t i = 0; i < dimension; i += 16) {
    bw_16 quotient = bw_load_16(total + i);
    quotient = (bw_16){_mm256_div_ps(quotient.low, divisor), _mm256_div_ps(quotient.high, divisor)};
    if (dimension - i >= 16) {
      bw_store_16(output + i, quotient);
    } else {
      bw_store_part(output + i, dimension - i, quotient);
    }
  }
}

void bw_avx2_attend(const bw_attention *job) {
  static const bw_attention_steps steps = {
      .query_copies = 2,
      .pack_query = pack_query,
      .arrange_keys = arrange_keys,
      .widen_values = widen_values,
      .score = score,
      .weigh = weigh,
      .mix = mix,
      .divide = divide,
      .attend_row = bw_avx2_attend_row,
  };
  bw_attend_tiles(job, &steps);
}

#else
typedef int bw_avx2_attention_is_x86_only;
#endif
