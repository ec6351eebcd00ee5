// The steps of attention's tiles with AVX-512.
//
// A vector of arranged keys holds four neighbouring elements of four keys, so that lane sums end in additions of whole
// vectors, and the sums of four queries in one vector of scores, [key][query].
#if defined(__x86_64__)

#include "attention.h"
#include "avx512_attention.h"

#pragma STDC FP_CONTRACT OFF

/// Four vectors of one key each become vectors of elements 0–3, 4–7, 8–11 and 12–15 of all four.
BW_AVX512_INLINE void store_quarters(__m512 a, __m512 b, __m512 c, __m512 d, float *out) {
  const __m512 ab_low = _mm512_shuffle_f32x4(a, b, 0x44), ab_high = _mm512_shuffle_f32x4(a, b, 0xee);
  const __m512 cd_low = _mm512_shuffle_f32x4(c, d, 0x44), cd_high = _mm512_shuffle_f32x4(c, d, 0xee);
  _mm512_storeu_ps(out, _mm512_shuffle_f32x4(ab_low, cd_low, 0x88));
  _mm512_storeu_ps(out + 16, _mm512_shuffle_f32x4(ab_low, cd_low, 0xdd));
  _mm512_storeu_ps(out + 32, _mm512_shuffle_f32x4(ab_high, cd_high, 0x88));
  _mm512_storeu_ps(out + 48, _mm512_shuffle_f32x4(ab_high, cd_high, 0xdd));
}

/// The same before 16-bit numbers are widened, which takes half the work.
BW_AVX512_INLINE void store_half_quarters(
    int32_t format, __m256i a, __m256i b, __m256i c, __m256i d, float *out) {
  const __m256i ab_even = _mm256_unpacklo_epi64(a, b), ab_odd = _mm256_unpackhi_epi64(a, b);
  const __m256i cd_even = _mm256_unpacklo_epi64(c, d), cd_odd = _mm256_unpackhi_epi64(c, d);
  _mm512_storeu_ps(out, bw_widen_halves(format, _mm256_permute2x128_si256(ab_even, cd_even, 0x20)));
  _mm512_storeu_ps(out + 16, bw_widen_halves(format, _mm256_permute2x128_si256(ab_odd, cd_odd, 0x20)));
  _mm512_storeu_ps(out + 32, bw_widen_halves(format, _mm256_permute2x128_si256(ab_even, cd_even, 0x31)));
  _mm512_storeu_ps(out + 48, bw_widen_halves(format, _mm256_permute2x128_si256(ab_odd, cd_odd, 0x31)));
}

BW_AVX512_INLINE void arrange_chunk(
    int32_t format, int is_part, ptrdiff_t dimension, const uint8_t *const *keys, ptrdiff_t start, float *out) {
  if (format == BW_F16 || format == BW_BF16) {
    store_half_quarters(
        format, bw_load_halves(is_part, keys[0], dimension, start), bw_load_halves(is_part, keys[1], dimension, start),
        bw_load_halves(is_part, keys[2], dimension, start), bw_load_halves(is_part, keys[3], dimension, start), out);
  } else {
    store_quarters(
        bw_load_cached(format, is_part, keys[0], dimension, start),
        bw_load_cached(format, is_part, keys[1], dimension, start),
        bw_load_cached(format, is_part, keys[2], dimension, start),
        bw_load_cached(format, is_part, keys[3], dimension, start), out);
  }
}

BW_AVX512_INLINE void arrange_format(
    int32_t format, ptrdiff_t dimension, const uint8_t *const *keys, ptrdiff_t count, float *arranged) {
  for (ptrdiff_t k = 0; k < count; k += 4) {
    ptrdiff_t start = 0;
    for (; start + 16 <= dimension; start += 16, arranged += 64) {
      arrange_chunk(format, 0, dimension, keys + k, start, arranged);
    }
    if (start < dimension) {
      arrange_chunk(format, 1, dimension, keys + k, start, arranged);
      arranged += 64;
    }
  }
}

BW_AVX512 void arrange_keys(
    int32_t format, ptrdiff_t dimension, const uint8_t *const *keys, ptrdiff_t count, float *arranged) {
  switch (format) {
    case BW_F32: arrange_format(BW_F32, dimension, keys, count, arranged); break;
    case BW_F16: arrange_format(BW_F16, dimension, keys, count, arranged); break;
    case BW_BF16: arrange_format(BW_BF16, dimension, keys, count, arranged); break;
    default: arrange_format(BW_Q8_0, dimension, keys, count, arranged); break;
  }
}

BW_AVX512_INLINE void widen_format(
    int32_t format, ptrdiff_t dimension, const uint8_t *const *values, ptrdiff_t count, float *widened) {
  for (ptrdiff_t k = 0; k < count; k++) {
    ptrdiff_t start = 0;
    for (; start + 16 <= dimension; start += 16, widened += 16) {
      _mm512_storeu_ps(widened, bw_load_cached(format, 0, values[k], dimension, start));
    }
    if (start < dimension) {
      _mm512_storeu_ps(widened, bw_load_cached(format, 1, values[k], dimension, start));
      widened += 16;
    }
  }
}

BW_AVX512 void widen_values(
    int32_t format, ptrdiff_t dimension, const uint8_t *const *values, ptrdiff_t count, float *widened) {
  switch (format) {
    case BW_F32: widen_format(BW_F32, dimension, values, count, widened); break;
    case BW_F16: widen_format(BW_F16, dimension, values, count, widened); break;
    case BW_BF16: widen_format(BW_BF16, dimension, values, count, widened); break;
    default: widen_format(BW_Q8_0, dimension, values, count, widened); break;
  }
}

BW_AVX512 void pack_query(const float *query, ptrdiff_t dimension, float *packed) {
  for (ptrdiff_t i = 0; i < (dimension + 15) / 16 * 16; i += 4, packed += 16 * BW_LANES) {
    const ptrdiff_t left = dimension - i;
    const __mmask8 mask = (__mmask8)bw_first_lanes(left < 0 ? 0 : left < 4 ? left : 4);
    _mm512_storeu_ps(packed, _mm512_broadcast_f32x4(_mm_maskz_loadu_ps(mask, query + i)));
  }
}

/// L queries and two vectors of four keys at a time.
BW_AVX512_INLINE void score_lanes(
    int L, const float *arranged, ptrdiff_t count, ptrdiff_t chunks, const float *queries, float scale, float soft_cap,
    float *scores) {
  const __m512 factor = _mm512_set1_ps(scale), cap = _mm512_set1_ps(soft_cap);
  for (ptrdiff_t k = 0; k < count; k += 8, scores += 32) {
    const float *first = arranged + k * 16 * chunks, *second = first + 64 * chunks;
    __m512 quads[2][4];
    BW_UNROLL
    for (int half = 0; half < 2; half++) {
      // Lane sums i and i + 8, for i from 0 to 3, then from 4 to 7.
      __m512 sums[2][4][2];
      BW_UNROLL
      for (int l = 0; l < L; l++) {
        sums[0][l][0] = sums[0][l][1] = sums[1][l][0] = sums[1][l][1] = _mm512_setzero_ps();
      }
      BW_ROLLED
      for (ptrdiff_t c = 0; c < chunks; c++) {
        BW_UNROLL
        for (int upper = 0; upper < 2; upper++) {
          const ptrdiff_t quarter = 4 * c + half + 2 * upper;
          const __m512 x = _mm512_loadu_ps(first + 16 * quarter), y = _mm512_loadu_ps(second + 16 * quarter);
          BW_UNROLL
          for (int l = 0; l < L; l++) {
            const __m512 query = _mm512_loadu_ps(queries + 16 * (BW_LANES * quarter + l));
            sums[0][l][upper] = _mm512_fmadd_ps(query, x, sums[0][l][upper]);
            sums[1][l][upper] = _mm512_fmadd_ps(query, y, sums[1][l][upper]);
          }
        }
      }
      BW_UNROLL
      for (int i = 0; i < 2; i++) {
        BW_UNROLL
        for (int l = 0; l < L; l++) {
          const __m512 sum = _mm512_add_ps(sums[i][l][0], sums[i][l][1]);
          quads[i][l] = half ? _mm512_add_ps(quads[i][l], sum) : sum;
        }
      }
    }
    BW_UNROLL
    for (int i = 0; i < 2; i++) {
      BW_UNROLL
      for (int l = L; l < 4; l++) quads[i][l] = _mm512_setzero_ps();
      __m512 s = _mm512_mul_ps(bw_sum_quads(quads[i][0], quads[i][1], quads[i][2], quads[i][3]), factor);
      if (soft_cap > 0) s = bw_soft_cap_16(s, cap);
      _mm512_storeu_ps(scores + 16 * i, s);
    }
  }
}

BW_AVX512 void score(
    int lanes, const float *arranged, ptrdiff_t count, ptrdiff_t chunks, const float *queries, float scale,
    float soft_cap, float *scores) {
  switch (lanes) {
    case 1: score_lanes(1, arranged, count, chunks, queries, scale, soft_cap, scores); break;
    case 2: score_lanes(2, arranged, count, chunks, queries, scale, soft_cap, scores); break;
    case 3: score_lanes(3, arranged, count, chunks, queries, scale, soft_cap, scores); break;
    default: score_lanes(4, arranged, count, chunks, queries, scale, soft_cap, scores); break;
  }
}

/// Adds the weights of eight keys, in order.
BW_AVX512_INLINE __m128 add_keys(__m128 sum, const float *weights) {
  BW_UNROLL
  for (int k = 0; k < 8; k++) sum = _mm_add_ps(sum, _mm_loadu_ps(weights + BW_LANES * k));
  return sum;
}

BW_AVX512 void weigh(float *scores, ptrdiff_t count, float *sums) {
  const ptrdiff_t end = BW_LANES * count;
  __m512 largest = _mm512_set1_ps(-INFINITY);
  for (ptrdiff_t i = 0; i < end; i += 16) largest = _mm512_max_ps(_mm512_loadu_ps(scores + i), largest);
  largest = _mm512_max_ps(largest, _mm512_shuffle_f32x4(largest, largest, 0x4e));
  largest = _mm512_max_ps(largest, _mm512_shuffle_f32x4(largest, largest, 0xb1));
  __m128 sum = _mm_setzero_ps();
  for (ptrdiff_t i = 0; i < end; i += 32) {
    const __m512 first = bw_exp_16(_mm512_sub_ps(_mm512_loadu_ps(scores + i), largest));
    const __m512 second = bw_exp_16(_mm512_sub_ps(_mm512_loadu_ps(scores + i + 16), largest));
    _mm512_storeu_ps(scores + i, first);
    _mm512_storeu_ps(scores + i + 16, second);
    // The chain of additions runs one step behind, where it waits for nothing.
    if (i > 0) sum = add_keys(sum, scores + i - 32);
  }
  if (end > 0) sum = add_keys(sum, scores + end - 32);
  _mm_storeu_ps(sums, sum);
}

/// C chunks of the totals of L queries.
BW_AVX512_INLINE void mix_chunks(
    int L, int C, const float *widened, ptrdiff_t count, ptrdiff_t chunks, const float *weights, float *totals) {
  __m512 sums[4][4];
  BW_UNROLL
  for (int l = 0; l < L; l++) {
    BW_UNROLL
    for (int c = 0; c < C; c++) sums[l][c] = _mm512_loadu_ps(totals + 16 * (l * chunks + c));
  }
  BW_ROLLED
  for (ptrdiff_t k = 0; k < count; k++, widened += 16 * chunks, weights += BW_LANES) {
    __m512 value[4];
    BW_UNROLL
    for (int c = 0; c < C; c++) value[c] = _mm512_loadu_ps(widened + 16 * c);
    BW_UNROLL
    for (int l = 0; l < L; l++) {
      const __m512 weight = _mm512_set1_ps(weights[l]);
      BW_UNROLL
      for (int c = 0; c < C; c++) sums[l][c] = _mm512_fmadd_ps(weight, value[c], sums[l][c]);
    }
  }
  BW_UNROLL
  for (int l = 0; l < L; l++) {
    BW_UNROLL
    for (int c = 0; c < C; c++) _mm512_storeu_ps(totals + 16 * (l * chunks + c), sums[l][c]);
  }
}

BW_AVX512_INLINE void mix_lanes(
    int L, const float *widened, ptrdiff_t count, ptrdiff_t chunks, const float *weights, float *totals) {
  ptrdiff_t c = 0;
  for (; c + 4 <= chunks; c += 4) mix_chunks(L, 4, widened + 16 * c, count, chunks, weights, totals + 16 * c);
  if (chunks - c >= 2) {
    mix_chunks(L, 2, widened + 16 * c, count, chunks, weights, totals + 16 * c);
    c += 2;
  }
  if (c < chunks) mix_chunks(L, 1, widened + 16 * c, count, chunks, weights, totals + 16 * c);
}

BW_AVX512 void mix(
    int lanes, const float *widened, ptrdiff_t count, ptrdiff_t chunks, const float *weights, float *totals) {
  switch (lanes) {
    case 1: mix_lanes(1, widened, count, chunks, weights, totals); break;
    case 2: mix_lanes(2, widened, count, chunks, weights, totals); break;
    case 3: mix_lanes(3, widened, count, chunks, weights, totals); break;
    default: mix_lanes(4, widened, count, chunks, weights, totals); break;
  }
}

BW_AVX512 void divide(const float *total, float sum, ptrdiff_t dimension, float *output) {
  const __m512 divisor = _mm512_set1_ps(sum);
  for (ptrdiff_t i = 0; i < dimension; i += 16) {
    _mm512_mask_storeu_ps(
        output + i, bw_first_lanes(dimension - i), _mm512_div_ps(_mm512_loadu_ps(total + i), divisor));
  }
}

void bw_avx512_attend(const bw_attention *job) {
  static const bw_attention_steps steps = {
      .query_copies = 4,
      .pack_query = pack_query,
      .arrange_keys = arrange_keys,
      .widen_values = widen_values,
      .score = score,
      .weigh = weigh,
      .mix = mix,
      .divide = divide,
      .attend_row = bw_avx512_attend_row,
  };
  bw_attend_tiles(job, &steps);
}

#else
typedef int bw_avx512_attention_is_x86_only;
#endif
